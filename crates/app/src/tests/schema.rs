//! The schema that editors get: up to date, true to the reader, and good for finding mistakes while one types.

use serde_json::Value;

use super::{documents, load};
use crate::fields::SECTIONS;
use crate::schema::{json, schema};
use crate::source::Source;
use crate::yaml;

#[test]
fn the_schema_is_up_to_date() {
    documents::check_file(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/riverrun.schema.json"), &schema());
}

/// What an editor with the schema says about a file: the place of each mistake as a path.
fn seen(text: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let (root, _) = yaml::parse(&Source::new("riverrun.yaml", text));
    let file = json(&root.unwrap());
    validator.iter_errors(&file).map(|error| format!("{} {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_is_one() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    assert!(jsonschema::draft7::meta::is_valid(&schema));
}

#[test]
fn what_loads_fits_the_schema() {
    for path in ["examples/flights/riverrun.yaml", "examples/scored/riverrun.yaml"] {
        let text = std::fs::read_to_string(format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(seen(&text), [""; 0], "{path}");
    }
    for text in [
        super::loads::EVERY_FIELD,
        super::loads::EVERY_AGGREGATE,
        "app: a\ntopics: { t: }\nlimits:\npipelines:",
        &crate::init("a", None).unwrap(),
    ] {
        load(text).unwrap_or_else(|found| panic!("{found}"));
        assert_eq!(seen(text), [""; 0], "{text}");
    }
}

/// Every mistake of the file with twenty that is one of shape; what names refer to, and expressions, only `check` knows.
#[test]
fn mistakes_are_seen_while_one_types() {
    let found = seen(super::twenty::FILE);
    for place in [
        "/app ",
        " Additional properties are not allowed ('data_dirr'",
        "/topics/flights/partitions ",
        "/topics/planes Additional properties are not allowed ('kye'",
        "\"Weather\"",
        "/topics/Weather/retention/age ",
        "/models/airline \"from\" is a required",
        "('form'",
        "/steps/0 Additional properties",
        "/steps/2 ",
        "/steps/2/set ",
        "/steps/3/remove ",
        "/pipelines/departures/on_error ",
    ] {
        assert!(found.iter().any(|line| line.contains(place)), "{place:?} is not in {found:#?}");
    }
}

#[test]
fn every_field_is_explained_where_it_is_typed() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let explained = schema.to_string();
    for field in SECTIONS.iter().flat_map(|section| section.fields) {
        assert!(
            explained.contains(&Value::from(field.meaning).to_string().trim_matches('"').to_owned()),
            "{}",
            field.name
        );
    }
    let steps = &schema["definitions"]["pipelines-name-steps"];
    assert_eq!(steps["properties"]["filter"]["examples"][0], "data.dep_time != null");
    assert_eq!(schema["definitions"]["topics-name"]["properties"]["partitions"]["default"], 4);
}
