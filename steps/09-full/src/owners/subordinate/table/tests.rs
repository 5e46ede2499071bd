use super::*;

#[test]
fn all_ranges_of_a_user_count_by_number_and_by_name() {
    let table = "4711:100000:10\nother:1:2\n4711:300000:70000\nroot:200000:7\nroot:x:7\nroot:9:0\n";
    assert_eq!(ranges_of(table, 4711), [(100_000, 10), (300_000, 70_000)]);
    assert_eq!(ranges_of(table, 0), [(200_000, 7)]);
    let maps = user_maps(4711, &ranges_of(table, 4711));
    let lines: Vec<_> = maps.iter().map(IdMap::to_string).collect();
    assert_eq!(lines, ["0:4711:1", "1:100000:10", "11:300000:65525"]);
}

#[test]
fn a_range_that_makes_no_sense_is_left_out() {
    for line in ["a", "a:1", "a:1:2:3", "a:-1:2", "a:4294967295:2", "a:1:0"] {
        assert_eq!(ranges(line).count(), 0, "{line}");
    }
    assert_eq!(user_maps(5, &[(0, 10), (100, 10), (105, 10)]).len(), 2);
}

#[test]
fn root_gets_ids_that_nobody_else_has() {
    assert_eq!(root_maps(&[], "").unwrap()[0].count, COUNT);
    assert!(root_maps(&[], &format!("eve:{}:1", FIRST + 9)).is_err());
    assert!(root_maps(&[], &format!("eve:{}:1", FIRST + COUNT)).is_ok());
}
