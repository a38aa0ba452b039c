//! The example of an image: capabilities are given where nothing copies any more, and the BEAM is nobody's root.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by them")]

use std::path::Path;

fn dockerfile() -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Dockerfile")).unwrap();
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

/// The instructions of the stage that becomes the image.
fn last_stage() -> Vec<String> {
    let all = dockerfile();
    let begin = all.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    all[begin..].to_vec()
}

#[test]
fn nothing_is_copied_over_the_installed_program() {
    let stage = last_stage();
    let at = |wanted: &str| {
        stage
            .iter()
            .position(|line| line.contains(wanted))
            .unwrap_or_else(|| panic!("no {wanted}: {stage:#?}"))
    };
    let install = at("RUN sh /src/scripts/install.sh");
    assert!(at("/src/priv/portcullis") < install);
    // COPY, chown and a layer that is flattened without attributes lose capabilities.
    for later in &stage[install + 1..] {
        assert!(
            !later.contains("libexec") && !later.contains("chown") && !later.contains("chmod"),
            "{later}"
        );
    }
}

#[test]
fn the_beam_is_an_ordinary_user_by_number() {
    let stage = last_stage();
    let users: Vec<&str> = stage.iter().filter_map(|line| line.strip_prefix("USER ")).collect();
    let [user] = users[..] else { panic!("{users:?}") };
    let (uid, gid) = user.split_once(':').unwrap();
    assert!(uid.parse::<u32>().unwrap() > 0 && gid.parse::<u32>().unwrap() > 0, "{user}");
    let made = stage.iter().find(|line| line.contains("useradd")).unwrap();
    assert!(
        made.contains(&format!("--uid {uid} ")) && made.contains(&format!("groupadd --gid {gid} ")),
        "{made}"
    );
}

#[test]
fn what_it_copies_of_the_source_is_there() {
    let mut seen = 0;
    for line in last_stage().iter().filter(|line| line.starts_with("COPY --from=port")) {
        let words: Vec<&str> = line.split_whitespace().skip(2).collect();
        for source in &words[..words.len() - 1] {
            let file = source.strip_prefix("/src/").unwrap();
            // Which the build makes.
            if file != "priv/portcullis" {
                assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{file}");
                seen += 1;
            }
        }
    }
    assert!(seen > 2, "{seen}");
}
