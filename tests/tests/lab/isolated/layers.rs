//! Software that is installed once and stacked on the image.

use lab::isolated::{Image, Result, baseline};
use lab::vendor::Fixtures;

use crate::isolated::{boot, install_probe};

#[test]
fn a_layer_is_installed_once_and_stacked() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
    let recipe = format!("test {}", std::process::id());
    let mut installed = 0;
    let layered = image
        .layer("probe", &recipe, |host| {
            installed += 1;
            install_probe(host)
        })
        .unwrap();
    let again = image
        .layer("probe", &recipe, |_| -> Result<()> {
            panic!("built twice")
        })
        .unwrap();
    assert_eq!(installed, 1);

    for image in [&layered, &again] {
        let host = boot(image, "layered");
        assert_eq!(
            host.check(&["rpm", "-q", "lab-probe"]).unwrap(),
            "lab-probe-1-1.noarch\n"
        );
        host.check(&["rpm", "-e", "lab-probe"]).unwrap();
    }
    assert!(
        !boot(&image, "bare")
            .run(&["rpm", "-q", "lab-probe"])
            .unwrap()
            .success()
    );
    layered.remove_layer().unwrap();
}

#[test]
fn a_failed_layer_is_not_kept() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
    let build = |fail: bool| {
        let recipe = format!("failing {}", std::process::id());
        image.layer("failing", &recipe, move |_| {
            if fail { Err("no luck") } else { Ok(()) }
        })
    };
    assert!(build(true).unwrap_err().to_string().contains("failing"));
    build(false).unwrap().remove_layer().unwrap();
}

#[test]
fn the_baseline_is_a_product_in_use() {
    let Some(image) = Image::prepare_or_skip() else {
        return;
    };
    let fixtures = Fixtures::prepare().unwrap();
    let baseline = baseline::tyk_image(&image, &fixtures, "5.2.5").unwrap();
    let host = boot(&baseline, "baseline");
    baseline::wait_for_tyk(&host, std::time::Duration::from_mins(1)).unwrap();

    let installed = host
        .check(&["rpm", "-qa", "--qf", "%{NAME} %{VERSION}\\n"])
        .unwrap();
    let mut installed: Vec<&str> = installed.lines().collect();
    installed.sort_unstable();
    assert_eq!(
        installed,
        ["tyk-dashboard 5.2.5", "tyk-gateway 5.2.5", "tyk-pump 1.8.3"]
    );
    let (status, body) = host.http_get(8080, "/hello").unwrap();
    assert_eq!(status, 200);
    assert!(body.contains(r#""version":"5.2.5""#), "{body}");
    assert_eq!(host.http_get(9, "/").unwrap(), (0, String::new()));

    let verify = host.run(&["rpm", "-V", "tyk-gateway"]).unwrap().stdout;
    assert!(verify.contains("c /opt/tyk-gateway/tyk.conf"), "{verify}");
    let unowned = host
        .run(&["rpm", "-qf", "/opt/tyk-gateway/apps/orders.json"])
        .unwrap();
    assert!(!unowned.success());
}
