use super::*;

#[test]
fn what_is_null_or_missing_is_empty() {
    let document: Document =
        serde_json::from_str(r#"{"config": {"Cmd": null, "Env": ["A=1"]}}"#).unwrap();
    assert_eq!(document.config.env, ["A=1"]);
    assert!(document.config.command::<String>(&[]).is_empty());
    assert!(serde_json::from_str::<Document>(r#"{"config": null}"#).is_ok());
}

#[test]
fn the_command_line_replaces_the_arguments() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let config = Config { entrypoint: words(&["e"]), cmd: words(&["c", "d"]), ..Config::default() };
    assert_eq!(config.command::<String>(&[]), ["e", "c", "d"]);
    assert_eq!(config.command(&words(&["x"])), ["e", "x"]);
}

#[test]
fn a_layer_lies_in_the_store() {
    for bad in ["", "..", "a/b", "a:b", "a,b", ".hidden", "a\\b"] {
        assert!(!is_plain(bad), "{bad}");
    }
    assert!(is_plain("0123abc"));
}
