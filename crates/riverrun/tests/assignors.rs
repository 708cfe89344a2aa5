//! The page on assignors: every app file in it loads, with the assignor it is there to show.
#![allow(clippy::unwrap_used, clippy::panic)]

use riverrun::App;
use riverrun::assignor::RoundRobin;

const PAGE: &str = include_str!("../../../docs/assignors.md");

#[test]
fn the_files_of_the_page_declare_their_assignors() {
    let files = PAGE.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let names: Vec<String> = files
        .map(|file| {
            let app = App::parse(file, "riverrun.yaml").unwrap_or_else(|error| panic!("{error}\n{file}"));
            let app = if file.contains("custom:") { app.assignor("last-one", RoundRobin) } else { app };
            app.declared_assignor().unwrap().name().to_owned()
        })
        .collect();
    assert_eq!(names, ["round-robin", "static", "custom.score", "custom.score", "custom.last-one"]);
}

#[tokio::test]
async fn an_assignor_that_is_not_registered_is_refused_at_the_start() {
    let app = App::parse("app: a\nkafka: { assignor: { custom: by-load } }", "riverrun.yaml").unwrap();
    assert!(app.declared_assignor().is_none());
    let refused = app.start().await.err().unwrap().to_string();
    assert!(refused.contains("the assignor `by-load` is not compiled into this binary"), "{refused}");
}
