#[test]
fn a_name_is_like_a_host_name_and_no_number() {
    for good in ["a", "web", "web-2.example_x", "container-x", &"x".repeat(63)] {
        assert!(super::name(good).is_ok(), "{good}");
    }
    for bad in ["", "7", "-web", "a/b", "a b", "a\n", "ä", "container-7", "container-7-2"] {
        assert!(super::name(bad).is_err(), "{bad}");
    }
    assert!(super::name(&"x".repeat(64)).is_err());
}
