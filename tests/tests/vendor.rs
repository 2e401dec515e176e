//! The fixture vendor is what it claims to be, judged with the stock tools: rpm, gpg, HTTP.

use lab::vendor::Fixtures;

#[test]
fn prepares() {
    let start = std::time::Instant::now();
    let fixtures = Fixtures::prepare().unwrap();
    println!("{:?} {fixtures:?}", start.elapsed());
}
