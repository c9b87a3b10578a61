//! Tests of the sentences: an evening with a PTP clock and three servers, and the other states.

use super::*;

fn server(state: State) -> SourceRow {
    let mut row = SourceRow::new("chronyd", SourceKind::Server, state);
    row.name = Some("ntp1.example".to_owned());
    row.address = Some("192.0.2.1".to_owned());
    row.poll_interval_s = Some(64.0);
    row
}

fn phc(offset: f64) -> SourceRow {
    let mut row = SourceRow::new("chronyd", SourceKind::Refclock, State::Selected);
    row.name = Some("PHC0".to_owned());
    row.reference = Some(
        "PHC0 is the PTP hardware clock /dev/ptp_hyperv (hyperv): the host's clock, normal on Azure"
            .to_owned(),
    );
    row.offset_s = Some(offset);
    row
}

fn text(row: &SourceRow) -> String {
    explain(row, &Limits::CHRONY).unwrap().text
}

#[test]
fn a_ptp_clock_that_is_selected_is_success_and_named() {
    let text = text(&phc(1.7e-6));
    assert!(
        text.contains("/dev/ptp_hyperv") && text.contains("Azure"),
        "{text}"
    );
    assert!(text.contains("success"), "{text}");
}

#[test]
fn a_ptp_clock_is_named_in_every_state() {
    for state in [
        State::Selected,
        State::Combined,
        State::Candidate,
        State::Falseticker,
        State::Jittery,
        State::Unusable,
        State::Unreachable,
    ] {
        let mut row = phc(1e-6);
        row.state = state;
        let text = text(&row);
        assert!(
            text.contains("/dev/ptp_hyperv (hyperv)"),
            "{state:?} {text}"
        );
        assert_eq!(text.matches("PHC0 is").count(), 1, "{text}");
    }
    let mut row = phc(1e-6);
    row.state = State::Candidate;
    assert!(
        text(&row).contains("normal on Azure. Good, but not"),
        "{}",
        text(&row)
    );
}

#[test]
fn one_measurement_wants_two_more_and_says_how_long() {
    let mut row = server(State::Unusable);
    row.set_reach(1);
    row.samples = Some(1);
    let advice = explain(&row, &Limits::CHRONY).unwrap();
    assert!(
        advice.text.contains("one measurement so far") && advice.text.contains("from 3 on"),
        "{advice:?}"
    );
    // Two more polls of 64 s.
    assert!(advice.text.contains("2 min"), "{advice:?}");
    assert!(advice.text.contains("iburst"));
}

#[test]
fn too_variable_names_the_limit_the_value_and_the_side() {
    let mut row = server(State::Jittery);
    row.jitter_s = Some(3.2);
    row.offset_s = Some(350.1);
    let advice = explain(&row, &Limits::CHRONY).unwrap();
    for words in ["3.20 s", "1.00 s", "350 s behind", "4 min"] {
        assert!(advice.text.contains(words), "{words}: {advice:?}");
    }
    assert!(advice.next.unwrap().contains("chronyc burst"));
}

#[test]
fn a_selected_clock_that_is_far_off_says_how_to_step() {
    let advice = explain(&phc(362.1), &Limits::CHRONY).unwrap();
    assert!(advice.text.contains("362 s behind"), "{advice:?}");
    assert!(advice.next.unwrap().contains("makestep"));
}

#[test]
fn a_clock_on_tai_is_told_from_a_wrong_one() {
    assert!(text(&phc(-37.0002)).contains("TAI"));
    assert!(!text(&phc(-36.0)).contains("TAI"));
}

#[test]
fn good_rows_need_no_sentence() {
    let mut row = server(State::Selected);
    row.offset_s = Some(-0.002);
    row.set_reach(0o377);
    assert_eq!(explain(&row, &Limits::CHRONY), None);
    row.state = State::Combined;
    assert_eq!(explain(&row, &Limits::CHRONY), None);
}

#[test]
fn every_state_that_is_not_good_has_a_sentence() {
    for state in [
        State::Candidate,
        State::Falseticker,
        State::Jittery,
        State::Unusable,
        State::Unreachable,
        State::Unresolved,
        State::Kiss,
    ] {
        assert!(!text(&server(state)).is_empty());
    }
    for letter in "NsMrd~wSOTxWPUD".chars() {
        for state in [State::Unusable, State::Candidate] {
            let mut row = server(state);
            row.selection = Some(letter.to_string());
            assert!(!text(&row).is_empty(), "{letter}");
        }
    }
}

#[test]
fn a_large_root_distance_names_the_limit() {
    let mut row = server(State::Unusable);
    row.selection = Some("d".to_owned());
    row.root_distance_s = Some(7.5);
    let text = text(&row);
    assert!(text.contains("7.50 s") && text.contains("3.00 s"), "{text}");
}

#[test]
fn silence_leads_to_check_port() {
    let advice = explain(&server(State::Unreachable), &Limits::CHRONY).unwrap();
    assert_eq!(
        advice.next.as_deref(),
        Some("clockbox check-port 192.0.2.1")
    );
    let young = Limits {
        running_s: Some(2.0),
        ..Limits::CHRONY
    };
    let advice = explain(&server(State::Unreachable), &young).unwrap();
    assert!(advice.text.contains("just started"));
}
