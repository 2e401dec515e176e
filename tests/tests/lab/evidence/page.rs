//! The review page in a real browser.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::Command;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::evidence::browser::Browser;
use crate::evidence::bundle::document;

/// For every text on the page: the contrast with what is behind it, where it is below 4.5 to 1.
const FAINT: &str = r"(() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const numbers = c => c.match(/[\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = numbers(c).map(channel);
                       return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (numbers(c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = []; let seen = 0;
  for (let n; n = walker.nextNode();) {
    if (!n.data.trim()) continue;
    seen++;
    const e = n.parentElement, a = light(getComputedStyle(e).color), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(ratio.toFixed(2) + ' ' + n.data.trim().slice(0, 40));
  }
  return { seen, faint };
})()";

const OPEN_ALL: &str = "document.querySelectorAll('details').forEach(d => d.open = true)";
const CLOSE_ALL: &str = "document.querySelectorAll('details').forEach(d => d.open = false)";

fn open() -> Option<Browser> {
    Browser::open(&document("review.html"))
}

#[test]
fn no_request_leaves_the_page_and_foreign_text_stays_text() {
    let Some(mut browser) = open() else { return };
    let title = browser.evaluate("document.title");
    assert!(
        title
            .as_str()
            .unwrap()
            .starts_with("Transfer review: Tyk <img")
    );
    let heading = browser.evaluate("document.querySelector('h1').textContent");
    assert!(heading.as_str().unwrap().contains("\\u{202e}"), "{heading}");
    let foreign = "document.querySelectorAll('img, script, link, iframe, object, [src], [style]')";
    assert_eq!(browser.evaluate(&format!("{foreign}.length")), json!(0));
    browser.evaluate(OPEN_ALL);
    let requests = browser.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].contains("file://"), "{requests:?}");
}

/// If escaping ever failed, the page's own policy would still block the content.
#[test]
fn the_policy_blocks_what_would_be_added() {
    let Some(mut browser) = open() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let blocked = |added: &str| {
        format!(
            "new Promise(done => {{
               addEventListener('securitypolicyviolation', e => done(e.effectiveDirective));
               {added} }})"
        )
    };
    let image = blocked(&format!(
        "document.body.insertAdjacentHTML('beforeend', '<img src={url}>')"
    ));
    assert_eq!(browser.evaluate(&image), json!("img-src"));
    let script = blocked(
        "const s = document.createElement('script'); s.text = 'window.ran = 1';
         document.body.append(s)",
    );
    assert_eq!(browser.evaluate(&script), json!("script-src-elem"));
    assert_eq!(browser.evaluate("typeof window.ran"), json!("undefined"));
    let unused = listener.accept().unwrap_err();
    assert_eq!(unused.kind(), ErrorKind::WouldBlock);
}

#[test]
fn the_keyboard_reaches_the_skip_link_and_every_detail_with_a_visible_focus() {
    let Some(mut browser) = open() else { return };
    browser.press("Tab", 9, "");
    let skip = browser.evaluate(
        "(() => { const e = document.activeElement, box = e.getBoundingClientRect();
                  return [e.className, box.left >= 0 && box.top >= 0 && box.width > 0] })()",
    );
    assert_eq!(skip, json!(["skip", true]));
    browser.press("Enter", 13, "\r");
    assert_eq!(browser.evaluate("document.activeElement.id"), json!("main"));
    let summaries = "[...document.querySelectorAll('summary')].filter(e => e.checkVisibility())";
    let expected = browser.evaluate(&format!("{summaries}.length")).as_u64();
    let (mut reached, mut steps) = (0, 0);
    // Past the last one the focus leaves the page.
    loop {
        browser.press("Tab", 9, "");
        steps += 1;
        let focus = browser.evaluate(
            "(() => { const e = document.activeElement, s = getComputedStyle(e);
                      return [e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)] })()",
        );
        if focus[0] == "BODY" || steps > 2000 {
            break;
        }
        assert!(
            focus[1] != "none" && focus[2].as_f64() >= Some(2.0),
            "{focus}"
        );
        reached += u64::from(focus[0] == "SUMMARY");
    }
    assert_eq!(Some(reached), expected, "after {steps} steps");
    assert!(reached > 3, "{reached}");
    browser.evaluate("document.querySelector('details:not([open]) > summary').focus()");
    let open = "document.activeElement.parentElement.open";
    assert_eq!(browser.evaluate(open), json!(false));
    browser.press("Enter", 13, "\r");
    assert_eq!(browser.evaluate(open), json!(true));
}

#[test]
fn narrow_screens_never_scroll_sideways() {
    let Some(mut browser) = open() else { return };
    browser.evaluate(OPEN_ALL);
    for width in [320, 360, 700, 1000] {
        browser.resize(width);
        let found = browser.evaluate(
            "(() => { const wide = [...document.querySelectorAll('body *')].filter(e =>
                !e.closest('.skip, thead') && e.getBoundingClientRect().right > innerWidth + 1);
              return [document.documentElement.scrollWidth, innerWidth,
                      wide.slice(0, 5).map(e => e.outerHTML.slice(0, 80))] })()",
        );
        assert_eq!(found, json!([width, width, []]));
    }
}

#[test]
fn light_and_dark_differ_and_every_text_has_contrast() {
    let Some(mut browser) = open() else { return };
    browser.evaluate(OPEN_ALL);
    let paper = "getComputedStyle(document.documentElement).backgroundColor";
    let mut papers: Vec<Value> = Vec::new();
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        papers.push(browser.evaluate(paper));
        let found = browser.evaluate(FAINT);
        assert!(found["seen"].as_u64() > Some(200), "{found}");
        assert_eq!(found["faint"], json!([]), "{scheme}");
    }
    assert_ne!(papers[0], papers[1]);
}

#[test]
fn paper_shows_every_scriptlet_whatever_was_closed() {
    let Some(mut browser) = open() else { return };
    let closed = "[...document.querySelectorAll('#changes ~ details details:not([open]) tbody th')]
                  .map(e => e.textContent)";
    let paths = browser.evaluate(closed);
    assert!(
        paths.as_array().is_some_and(|paths| paths.len() > 3),
        "{paths}"
    );
    browser.evaluate(CLOSE_ALL);
    let printed = browser.call("Page.printToPDF", &json!({}));
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(printed["data"].as_str().unwrap())
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let pdf = dir.path().join("page.pdf");
    std::fs::write(&pdf, bytes).unwrap();
    let output = Command::new("pdftotext")
        .arg(&pdf)
        .arg("-")
        .output()
        .unwrap();
    assert!(output.status.success());
    // Lines are broken anywhere on paper, and `pdftotext` drops a hyphen at the end of one.
    let squeeze = |text: &str| -> String {
        let kept = text.chars().filter(|c| !c.is_whitespace() && *c != '-');
        kept.collect()
    };
    let paper = squeeze(&String::from_utf8_lossy(&output.stdout));
    let lines = browser.evaluate(
        "[...document.querySelectorAll('#scriptlets ~ details .line')].map(e => e.textContent)",
    );
    let lines = lines.as_array().unwrap();
    assert!(lines.len() > 20, "{lines:?}");
    for line in lines.iter().chain(paths.as_array().unwrap()) {
        let line = squeeze(line.as_str().unwrap());
        assert!(paper.contains(&line), "not on paper: {line}");
    }
}

#[test]
fn headings_and_tables_have_accessible_names() {
    let Some(mut browser) = open() else { return };
    let levels = browser.evaluate(
        "[...document.querySelectorAll('h1, h2, h3, h4')].map(e => Number(e.tagName[1]))",
    );
    let levels: Vec<i64> = serde_json::from_value(levels).unwrap();
    assert_eq!(levels.iter().filter(|&&level| level == 1).count(), 1);
    assert!(
        levels.windows(2).all(|pair| pair[1] - pair[0] <= 1),
        "{levels:?}"
    );
    let bare = browser.evaluate(
        "[...document.querySelectorAll('table')].filter(t => !t.caption ||
           [...t.querySelectorAll('th')].some(th => !th.scope)).length",
    );
    assert_eq!(bare, json!(0));
    let unnamed = browser.evaluate(
        "[...document.querySelectorAll('a')].filter(a => !document.querySelector(a.hash)).length",
    );
    assert_eq!(unnamed, json!(0), "links that lead nowhere");
    let doubled = browser.evaluate(
        "(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
                  return ids.length - new Set(ids).size })()",
    );
    assert_eq!(doubled, json!(0));
}
