//! A climate of four rules, each near enough to the real one to be believed: it gets colder towards the
//! poles and with height, seasons swing wider towards the poles, and no day is quite like its neighbour.

use std::f64::consts::TAU;

use jiff::civil::Date;

use super::places::{CityKey, Place};

/// Yearly mean at sea level on the equator, in °C.
const EQUATOR_MEAN: f64 = 27.0;
/// How much the mean falls, in °C per degree of latitude squared: to 9 °C in Berlin, to 0 °C at 64°.
const COOLING_POLEWARDS: f64 = 0.0065;
/// How much it falls with height, in °C per metre.
const COOLING_WITH_HEIGHT: f64 = 0.005;
/// Half of what lies between the mean of January and that of July, in °C per degree of latitude.
const SEASON: f64 = 0.2;
/// The coldest day of the northern year; the seasons lag the sun by about a month.
const COLDEST_DAY: f64 = 20.0;
/// Most that a single day departs from its season, in °C, at the equator and what each degree adds.
const WHIMS: (f64, f64) = (2.0, 0.07);

/// The temperature of a city on a day, in whole °C: `-80..=45` anywhere on the planet.
pub(super) fn temperature(place: Place, city: CityKey, date: Date) -> i32 {
    let distance = place.latitude.abs();
    let mean = EQUATOR_MEAN
        - COOLING_POLEWARDS * distance * distance
        - COOLING_WITH_HEIGHT * place.elevation.max(0.0);
    let year = (f64::from(date.day_of_year()) - COLDEST_DAY) / f64::from(date.days_in_year());
    // The sign of the latitude puts the southern summer into January.
    let season = -SEASON * place.latitude * (TAU * year).cos();
    let whim = (WHIMS.0 + WHIMS.1 * distance) * (2.0 * city.chance(day_number(date)) - 1.0);
    (mean + season + whim).round() as i32
}

/// Differs from day to day; never 0, which is the salt of the latitude.
fn day_number(date: Date) -> u64 {
    // jiff's years go from -9999 to 9999.
    let year = u64::from(date.year().unsigned_abs());
    year * 400 + u64::from(date.day_of_year().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::super::places::Places;
    use super::*;

    fn mean_of_month(city: &str, month: i8) -> f64 {
        let key = CityKey::new(city);
        let place = Places::well_known().locate(key);
        let days = (1..=28).map(|day| f64::from(temperature(place, key, date(2025, month, day))));
        days.sum::<f64>() / 28.0
    }

    /// The published monthly means, and how far off a believable simulation may be.
    #[test]
    fn well_known_cities_are_believable_in_both_seasons() {
        for (city, january, july) in [
            ("Berlin", 1.0, 20.0),
            ("London", 5.0, 19.0),
            ("New York", 1.0, 25.0),
            ("Sydney", 23.0, 13.0),
            ("Cape Town", 22.0, 13.0),
            ("Buenos Aires", 25.0, 11.0),
            ("Auckland", 20.0, 11.0),
            ("Singapore", 27.0, 28.0),
            ("Nairobi", 19.0, 17.0),
            ("Quito", 15.0, 15.0),
            ("Bogota", 14.0, 14.0),
            ("Helsinki", -4.0, 18.0),
            ("Tokyo", 5.0, 26.0),
            ("Cairo", 14.0, 28.0),
        ] {
            for (month, published) in [(1, january), (7, july)] {
                let simulated = mean_of_month(city, month);
                assert!(
                    (simulated - published).abs() <= 7.0,
                    "{city} in month {month}: {simulated:.1} °C, published {published} °C"
                );
            }
        }
    }

    #[test]
    fn days_differ_from_each_other() {
        let key = CityKey::new("Berlin");
        let place = Places::well_known().locate(key);
        let march: std::collections::BTreeSet<_> = (1..=31)
            .map(|day| temperature(place, key, date(2025, 3, day)))
            .collect();
        assert!(march.len() > 3, "{march:?}");
    }

    proptest! {
        #[test]
        fn every_place_and_day_stays_in_bounds(
            city in ".*",
            latitude in -90.0..=90.0,
            elevation in -430.0..=5100.0,
            year in 1i16..=9999,
            day in 1i16..=365,
        ) {
            let date = date(year, 1, 1).checked_add(jiff::Span::new().days(day - 1)).unwrap();
            let degrees = temperature(Place { latitude, elevation }, CityKey::new(&city), date);
            prop_assert!((-80..=45).contains(&degrees), "{degrees} °C");
        }
    }
}
