use super::*;

fn map(text: &str) -> IdMap {
    text.parse().unwrap()
}

#[test]
fn a_map_is_three_numbers() {
    assert_eq!(map("0:1000:1"), IdMap { inside: 0, outside: 1000, count: 1 });
    for wrong in
        ["", "0", "0:1", "0:1:1:1", "a:1:1", "-1:0:1", "0:0:0", "0:4294967295:1", "4294967295:0:1"]
    {
        assert!(wrong.parse::<IdMap>().is_err(), "{wrong}");
    }
    assert!("0:0:4294967295".parse::<IdMap>().is_ok());
}

#[test]
fn ranges_may_touch_and_must_not_overlap() {
    assert!(or_own(&[map("0:1000:1"), map("1:100000:65535")], 7).is_ok());
    assert!(or_own(&[map("0:1000:2"), map("1:2000:1")], 7).is_err()); // inside
    assert!(or_own(&[map("0:1000:1"), map("1:1000:1")], 7).is_err()); // outside
}

#[test]
fn without_a_map_root_is_the_caller() {
    assert_eq!(or_own(&[], 7).unwrap(), [map("0:7:1")]);
}
