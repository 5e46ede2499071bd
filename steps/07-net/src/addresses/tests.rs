use super::*;

#[test]
fn an_address_of_a_host_is_taken() {
    for good in ["10.0.0.2/24", "192.168.7.1/30", "10.255.255.254/8"] {
        assert!(interface(good).is_ok(), "{good}");
    }
}

#[test]
fn what_no_host_can_have_is_refused() {
    for bad in [
        "",
        "10.0.0.2",
        "10.0.0.2/33",
        "10.0.0.256/24",
        "fd00::2/64",
        "10.0.0.2/31",
        "10.0.0.2/32",
        "10.0.0.2/0",
    ] {
        assert!(interface(bad).is_err(), "{bad}");
    }
    assert!(interface("10.0.0.0/24").unwrap_err().contains("network"));
    assert!(interface("10.0.0.255/24").unwrap_err().contains("broadcast"));
    assert!(interface("127.0.0.2/8").unwrap_err().contains("no address of a host"));
}

#[test]
fn each_subnet_of_the_pool_comes_once_wherever_it_starts() {
    let mut subnets: Vec<_> = pool(4_000_000_000).map(|address| address.trunc()).collect();
    subnets.sort();
    subnets.dedup();
    assert_eq!(subnets.len(), 2 * 16384);
    assert!(pool(1).all(|address| interface(&address.to_string()).is_ok()));
}
