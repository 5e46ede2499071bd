use super::*;

#[test]
fn an_address_of_a_host_is_accepted() {
    for good in ["10.0.0.2/24", "192.168.7.1/30", "10.255.255.254/8"] {
        assert!(interface(good).is_ok(), "{good}");
    }
}

#[test]
fn an_address_that_no_host_can_have_is_refused() {
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
    assert!(interface("127.0.0.2/8").unwrap_err().contains("not an address of a host"));
}
