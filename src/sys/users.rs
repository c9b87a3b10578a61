//! Users and their groups, from /etc/passwd and /etc/group (passwd(5), group(5)). The users of
//! daemons are this machine's own. The C library's look-up loads the modules of nsswitch.conf, which
//! crashes a static program: such a program has these files only.

use super::files;
use nix::unistd::Gid;
use nix::unistd::Uid;
use std::path::Path;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Number.
    pub uid: Uid,
    /// Number of the main group.
    pub gid: Gid,
    /// Of all groups.
    pub groups: Vec<Gid>,
}

/// The user of this name.
#[must_use]
pub fn find(name: &str) -> Option<User> {
    let read = |path: &str| {
        let bytes = files::read(Path::new(path), files::CONFIG_LIMIT).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let group = read("/etc/group");
    if let Some((uid, gid)) = of_passwd(&read("/etc/passwd"), name) {
        return Some(user(uid, gid, &group, name));
    }
    if cfg!(target_feature = "crt-static") {
        return None;
    }
    let found = nix::unistd::User::from_name(name).ok().flatten()?;
    Some(user(found.uid.as_raw(), found.gid.as_raw(), &group, name))
}

fn user(uid: u32, gid: u32, group: &str, name: &str) -> User {
    User {
        uid: Uid::from_raw(uid),
        gid: Gid::from_raw(gid),
        groups: groups(group, name, gid)
            .into_iter()
            .map(Gid::from_raw)
            .collect(),
    }
}

/// Numbers of a user and of his main group.
fn of_passwd(text: &str, name: &str) -> Option<(u32, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let own = fields.next()? == name && !name.is_empty();
        let (uid, gid) = (fields.nth(1)?, fields.next()?);
        own.then_some((uid.parse().ok()?, gid.parse().ok()?))
    })
}

/// Numbers of all groups of a user, the main one first.
fn groups(text: &str, name: &str, main: u32) -> Vec<u32> {
    let mut groups = vec![main];
    for line in text.lines() {
        let mut fields = line.split(':').skip(2);
        let (Some(gid), Some(members)) = (fields.next(), fields.next()) else {
            continue;
        };
        if let Ok(gid) = gid.parse()
            && !groups.contains(&gid)
            && members.split(',').any(|member| member.trim() == name)
        {
            groups.push(gid);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_those_of_the_files() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\n_clockbox:x:990:989::/:/bin/false\n";
        assert_eq!(of_passwd(passwd, "_clockbox"), Some((990, 989)));
        assert_eq!(of_passwd(passwd, "clockbox"), None);
        assert_eq!(of_passwd(passwd, ""), None);
        let group = "root:x:0:\nclock:x:44:a,_clockbox\nclock2:x:45:x_clockbox\n_clockbox:x:989:\n";
        assert_eq!(groups(group, "_clockbox", 989), [989, 44]);
    }

    #[test]
    fn there_is_always_root() {
        assert_eq!(find("root").map(|u| u.uid.as_raw()), Some(0));
    }
}
