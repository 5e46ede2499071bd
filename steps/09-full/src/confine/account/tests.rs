use std::io::Write;

use anyhow::bail;

use super::*;

const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44:Web:/var/www:/bin/sh\n7:x:8:8:::\n";
const GROUP: &str = "root:x:0:\nweb:x:44:\nlog:x:4:web,other\nssl:x:5:other\n";

fn find(account: &str) -> Result<Identity> {
    account.parse::<Account>().unwrap().find(|path| {
        let content = match path {
            "etc/passwd" => PASSWD,
            "etc/group" => GROUP,
            _ => bail!("{path}"),
        };
        let mut file = tempfile::tempfile()?;
        file.write_all(content.as_bytes())?;
        std::io::Seek::rewind(&mut file)?;
        Ok(file.into())
    })
}

fn numbers(identity: Identity) -> (u32, u32, Vec<u32>) {
    let groups = identity.groups.into_iter().map(Gid::as_raw).collect();
    (identity.uid.as_raw(), identity.gid.as_raw(), groups)
}

#[test]
fn a_name_has_the_ids_groups_and_home_of_the_image() {
    assert_eq!(numbers(find("web").unwrap()), (33, 44, vec![44, 4]));
    assert_eq!(find("web").unwrap().home.as_deref(), Some("/var/www"));
    assert_eq!(numbers(find("web:log").unwrap()), (33, 4, vec![4]));
}

#[test]
fn a_number_is_itself() {
    assert_eq!(numbers(find("1000").unwrap()), (1000, 1000, vec![1000]));
    assert_eq!(numbers(find("1000:5").unwrap()), (1000, 5, vec![5]));
    assert_eq!(numbers(find("7").unwrap()), (7, 7, vec![7])); // not the user called 7
}

#[test]
fn what_is_not_there_is_named() {
    assert!(find("nobody").unwrap_err().to_string().contains("no user nobody"));
    assert!(find("web:none").unwrap_err().to_string().contains("no group none"));
    for bad in ["", ":", "a:", ":b", "a:b:c", "4294967295"] {
        assert!(bad.parse::<Account>().is_err(), "{bad}");
    }
}
