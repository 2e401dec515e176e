//! Reads a product manifest from TOML, where settings templates and `[pins.NAME]` make it shorter.
//!
//! Both are expanded before a [`ProductManifest`] is made: a bundle carries the long form.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::{EACH, Pin, ProductError, ProductManifest};
use crate::evr::compare_versions;

type Value<'i> = Spanned<DeValue<'i>>;

/// The content of `settings`: `GAP = "TEXT"`.
type Gaps = BTreeMap<String, Spanned<String>>;

/// The tables `[pins.COMPONENT]`: `"LEAD" = "VERSION"`.
type Pins = BTreeMap<String, BTreeMap<String, String>>;

/// Reads a manifest; [`ProductManifest::check`] is left to the caller.
pub(super) fn read(text: &str) -> Result<ProductManifest, ProductError> {
    let mut document = DeTable::parse(text)?;
    let (span, manifest) = (document.span(), document.get_mut());
    let templates = manifest.remove("settings");
    if let Some(odd) = templates.as_ref().filter(|all| !all.get_ref().is_table()) {
        return refuse(
            text,
            &odd.span(),
            "`settings` holds tables [settings.NAME]".to_owned(),
        );
    }
    let pins = manifest.remove("pins");
    let pins: Option<Pins> = pins.map(|pins| parse(text, pins)).transpose()?;
    let components = tables(manifest.get_mut("component")).into_iter();
    let parts = components.flat_map(|component| component.iter_mut());
    for fields in parts.flat_map(|(_, part)| tables(Some(part))) {
        if let Some(settings) = fields.remove("settings") {
            put_over(fields, filled(text, templates.as_ref(), settings)?);
        }
    }
    let manifest = DeValue::Table(document.into_inner());
    let mut product: ProductManifest = parse(text, Spanned::new(span, manifest))?;
    let before = product.pins.len();
    for (component, lines) in pins.into_iter().flatten() {
        for (lead, version) in lines {
            let component = component.clone();
            product.pins.push(Pin {
                lead,
                component,
                version,
            });
        }
    }
    product.pins[before..].sort_by(|a, b| compare_versions(&a.lead, &b.lead));
    Ok(product)
}

/// Puts `fields` over those of a template: a field that is in both is replaced.
fn put_over<'i>(fields: &mut DeTable<'i>, template: DeTable<'i>) {
    for (name, own) in std::mem::replace(fields, template) {
        // These two are groups: a field is one of their settings.
        let is_group = ["redis", "database"].contains(&name.get_ref().as_ref());
        match (fields.get_mut(&name).map(Spanned::get_mut), own.get_ref()) {
            (Some(DeValue::Table(group)), DeValue::Table(own)) if is_group => {
                group.extend(own.clone());
            }
            _ => drop(fields.insert(name, own)),
        }
    }
}

/// Returns the fields of a template, its gaps filled as `settings` asks.
fn filled<'i>(
    text: &str,
    templates: Option<&Value<'i>>,
    settings: Value<'i>,
) -> Result<DeTable<'i>, ProductError> {
    let refuse = |at: Range<usize>, why: String| refuse(text, &at, why);
    let at = settings.span();
    let mut gaps: Gaps = parse(text, settings)?;
    let Some(like) = gaps.remove("like") else {
        return refuse(
            at,
            "`settings` needs `like`, the name of a table [settings.NAME]".to_owned(),
        );
    };
    let name = like.get_ref().as_str();
    let template = templates.and_then(|all| all.get_ref().get(name)).cloned();
    let Some(DeValue::Table(mut fields)) = template.map(Spanned::into_inner) else {
        let why = format!("there is no template `{name}`: `like` names a table [settings.NAME]");
        return refuse(like.span(), why);
    };
    if let Some(inner) = fields.get("settings") {
        return refuse(inner.span(), "a template cannot use another one".to_owned());
    }
    let mut found = BTreeSet::new();
    for (_, field) in &mut fields {
        fill(field, &gaps, &mut found);
    }
    if let Some(odd) = found.iter().find(|gap| gap.contains(['{', '}'])) {
        let why = format!("the template `{name}` has a brace without its other half: `{odd}`");
        return refuse(at, why);
    }
    if let Some(gap) = found.iter().find(|gap| !gaps.contains_key(*gap)) {
        let why = format!("the template `{name}` has a gap {{{gap}}}: add {gap} = \"TEXT\"");
        return refuse(at, why);
    }
    for (gap, value) in gaps {
        if !found.contains(&gap) {
            let why = format!("the template `{name}` has no gap {{{gap}}}");
            return refuse(value.span(), why);
        }
        if value.get_ref().replace(EACH, "").contains(['{', '}']) {
            let why = format!("{EACH} is the only word in braces that `{gap}` may contain");
            return refuse(value.span(), why);
        }
    }
    Ok(fields)
}

fn refuse<T>(text: &str, at: &Range<usize>, why: String) -> Result<T, ProductError> {
    let line = text[..at.start].matches('\n').count() + 1;
    Err(ProductError::Template { line, why })
}

/// Fills the gaps of every text in `value`, and collects their names. What fills a gap is not
/// searched for others.
fn fill(value: &mut Value<'_>, gaps: &Gaps, found: &mut BTreeSet<String>) {
    match value.get_mut() {
        DeValue::Table(all) => all.iter_mut().for_each(|(_, v)| fill(v, gaps, found)),
        DeValue::Array(all) => all.iter_mut().for_each(|v| fill(v, gaps, found)),
        DeValue::String(text) => {
            let mut pieces = text.split('{');
            let mut filled = pieces.next().unwrap_or_default().to_owned();
            if filled.contains('}') {
                found.insert(filled.clone());
            }
            for piece in pieces {
                let Some((gap, after)) = piece.split_once('}').filter(|(_, a)| !a.contains('}'))
                else {
                    found.insert(format!("{{{piece}"));
                    continue;
                };
                if gap == "each" {
                    filled += EACH;
                } else {
                    found.insert(gap.to_owned());
                    filled += gaps.get(gap).map_or("", |text| text.get_ref());
                }
                filled += after;
            }
            *text = Cow::Owned(filled);
        }
        _ => {}
    }
}

/// Returns a table, or the tables of a list. Other values are refused when they are parsed.
fn tables<'a, 'i>(value: Option<&'a mut Value<'i>>) -> Vec<&'a mut DeTable<'i>> {
    match value.map(Spanned::get_mut) {
        Some(DeValue::Table(table)) => vec![table],
        Some(DeValue::Array(items)) => items.iter_mut().flat_map(|i| tables(Some(i))).collect(),
        _ => Vec::new(),
    }
}

fn parse<T: DeserializeOwned>(text: &str, value: Value<'_>) -> Result<T, ProductError> {
    T::deserialize(ValueDeserializer::from(value)).map_err(|mut error: toml::de::Error| {
        error.set_input(Some(text));
        error.into()
    })
}
