//! The shared memory segment of ntpd's driver 28, as gpsd and others fill it: its fields, and what
//! they mean.

/// Key of unit 0: `NTP0`.
pub const KEY: i32 = 0x4e54_5030;

/// The fields of a segment, as they stand there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShmFields {
    /// 0: a flag alone says that the values are whole; 1: a count before and after does.
    pub mode: i32,
    /// The count of mode 1.
    pub count: i32,
    /// True time: seconds, microseconds, nanoseconds.
    pub clock: (i64, i32, i32),
    /// The system clock at the same moment.
    pub receive: (i64, i32, i32),
    /// Leap indicator.
    pub leap: i32,
    /// Precision, log2 seconds.
    pub precision: i32,
    /// The values have not been taken yet.
    pub valid: i32,
}

/// What a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShmSample {
    /// True time in nanoseconds since 1970.
    pub clock_ns: i64,
    /// The system clock then.
    pub receive_ns: i64,
    /// 0 none, 1 a second is inserted, 2 deleted, 3 not synchronised.
    pub leap: u8,
}

impl ShmFields {
    /// What the fields say, when they are whole: `count_after` was read after the others.
    #[must_use]
    pub fn sample(&self, count_after: i32) -> Option<ShmSample> {
        let whole = match self.mode {
            0 => true,
            1 => self.count == count_after,
            _ => false,
        };
        if !whole || self.valid == 0 {
            return None;
        }
        // Writers from before the nanoseconds leave rubbish or zero there.
        let fine = [self.clock, self.receive]
            .iter()
            .all(|&(_, micros, nanos)| nanos.checked_div(1000) == Some(micros) && nanos >= 0);
        let nanos = |(seconds, micros, nanos): (i64, i32, i32)| {
            let part = if fine {
                i64::from(nanos)
            } else {
                i64::from(micros).checked_mul(1000)?
            };
            seconds.checked_mul(1_000_000_000)?.checked_add(part)
        };
        Some(ShmSample {
            clock_ns: nanos(self.clock)?,
            receive_ns: nanos(self.receive)?,
            leap: u8::try_from(self.leap).ok().filter(|&leap| leap <= 3)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> ShmFields {
        ShmFields {
            mode: 1,
            count: 7,
            clock: (1_800_000_000, 0, 0),
            receive: (1_800_000_000, 250_000, 250_000_123),
            valid: 1,
            precision: -20,
            leap: 0,
        }
    }

    #[test]
    fn nanoseconds_count_where_they_fit_the_microseconds() {
        let fine = fields().sample(7).unwrap();
        assert_eq!(fine.receive_ns - fine.clock_ns, 250_000_123);
        let old = ShmFields {
            receive: (1_800_000_000, 250_000, 0),
            ..fields()
        };
        let old = old.sample(7).unwrap();
        assert_eq!(old.receive_ns - old.clock_ns, 250_000_000);
    }

    #[test]
    fn values_that_change_while_they_are_read_are_left() {
        assert_eq!(fields().sample(8), None);
        assert!(
            ShmFields {
                mode: 0,
                ..fields()
            }
            .sample(8)
            .is_some()
        );
        assert_eq!(
            ShmFields {
                valid: 0,
                ..fields()
            }
            .sample(7),
            None
        );
        assert_eq!(
            ShmFields {
                mode: 2,
                ..fields()
            }
            .sample(7),
            None
        );
    }

    #[test]
    fn hostile_values_do_not_overflow() {
        let wild = ShmFields {
            clock: (i64::MAX, i32::MIN, i32::MIN),
            receive: (i64::MIN, i32::MAX, 0),
            ..fields()
        };
        assert_eq!(wild.sample(7), None);
    }
}
