//! Names of users and groups, for commands that a person types: of the files of this host alone (passwd(5), group(5)). Who is known to a
//! directory service only stays a number.
#![forbid(unsafe_code)]

/// A group, and who is in it: as it lists them, and those whose first group it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name, or its number where it has none that a shell takes as it stands.
    pub name: String,
    /// Names of users.
    pub members: Vec<String>,
}

/// The user of that number, by name if it has one.
#[must_use]
pub fn user(uid: u32) -> String {
    user_in(&read("/etc/passwd"), uid)
}

/// The group of that number.
#[must_use]
pub fn group(gid: u32) -> Group {
    group_in(&read("/etc/group"), &read("/etc/passwd"), gid)
}

fn read(path: &str) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn user_in(passwd: &str, uid: u32) -> String {
    let mut named = fields(passwd).filter(|row| row.get(2) == Some(&uid.to_string().as_str()));
    named.find_map(|row| word(row.first()?)).unwrap_or_else(|| uid.to_string())
}

fn group_in(group: &str, passwd: &str, gid: u32) -> Group {
    let number = gid.to_string();
    let mut found = Group { name: number.clone(), members: Vec::new() };
    if let Some(row) = fields(group).find(|row| row.get(2) == Some(&number.as_str())) {
        found.name = row.first().and_then(|name| word(name)).unwrap_or(number.clone());
        let listed = row.get(3).into_iter().flat_map(|members| members.split(','));
        found.members.extend(listed.filter_map(word));
    }
    let first = fields(passwd).filter(|row| row.get(3) == Some(&number.as_str()));
    for name in first.filter_map(|row| word(row.first()?)) {
        if !found.members.contains(&name) {
            found.members.push(name);
        }
    }
    found
}

fn fields(file: &str) -> impl Iterator<Item = Vec<&str>> {
    file.lines().map(|line| line.split(':').collect())
}

/// A name that is one word of a command, and no option.
fn word(name: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    (!name.is_empty() && !name.starts_with('-') && name.bytes().all(plain)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\nown:x:1001:991::/:/bin/sh\n$(x):x:1002:991::/:\n";

    #[test]
    fn who_is_in_a_group_stands_in_two_files() {
        let of = |group: &str, gid| group_in(group, PASSWD, gid);
        let group = "root:x:0:\nportcullis:x:991:app,own,$(y)\nempty:x:5:\n-x:x:7:\n";
        assert_eq!(
            of(group, 991),
            Group { name: "portcullis".into(), members: vec!["app".into(), "own".into()] }
        );
        assert_eq!(of(group, 5), Group { name: "empty".into(), members: vec![] });
        assert_eq!(
            (of(group, 7).name, of(group, 8).name, of("", 991).name),
            ("7".into(), "8".into(), "991".into())
        );
    }

    #[test]
    fn a_user_without_a_name_stays_a_number() {
        assert_eq!(
            (user_in(PASSWD, 1000), user_in(PASSWD, 1002), user_in("", 7)),
            ("app".into(), "1002".into(), "7".into())
        );
    }
}
