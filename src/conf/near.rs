//! Which known name was probably meant.

/// The known name nearest to `word`, if one is near enough to be a slip of the finger:
/// at most a third of its letters differ, a swap of neighbours counting as one.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    if word.len() > 64 {
        return None;
    }
    known
        .into_iter()
        .map(|name| (distance(&word, name), name))
        .filter(|&(distance, name)| distance <= (name.len().max(word.len()) / 3).max(1))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// Optimal string alignment distance: changed, missing, added octets and swapped neighbours.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let a = a.as_bytes();
    let b = b.as_bytes();
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let at = |list: &[usize], index: usize| list.get(index).copied().unwrap_or(usize::MAX);
            let mut best = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = core::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let known = ["iburst", "burst", "minpoll", "maxpoll", "prefer"];
        assert_eq!(nearest("ibrust", known), Some("iburst"));
        assert_eq!(nearest("maxpoll4", known), Some("maxpoll"));
        assert_eq!(nearest("PREFFER", known), Some("prefer"));
        assert_eq!(nearest("autokey", known), None);
        assert_eq!(nearest("", known), None);
    }
}
