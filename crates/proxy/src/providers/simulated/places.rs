//! Where a city is, as far as its climate goes. Well-known cities are in a table; every other name gets a
//! latitude from a hash, so that the simulation answers any city, and answers it the same way everywhere.

use std::collections::HashMap;

/// Latitudes that names outside the table are spread over, in degrees: where people live.
const INHABITED: (f64, f64) = (-50.0, 65.0);

/// What a city's climate depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// Degrees north of the equator, negative in the south.
    pub(super) latitude: f64,
    /// Metres above the sea.
    pub(super) elevation: f64,
}

/// A city's name as a number: the same in every process and build, and for every spelling that differs in
/// case or in surrounding blanks only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CityKey(u64);

/// The well-known cities. Two names cannot meet here by chance: that would take some billions of cities.
#[derive(Debug)]
pub(super) struct Places(HashMap<CityKey, Place>);

impl CityKey {
    pub(super) fn new(city: &str) -> Self {
        // FNV-1a, because the standard library promises no stable hash. Lower, upper, lower again: only so
        // do `ß` and `ẞ`, `ς` and `Σ` end as one.
        let folded = city
            .trim()
            .chars()
            .flat_map(char::to_lowercase)
            .flat_map(char::to_uppercase)
            .flat_map(char::to_lowercase);
        let hash = folded.fold(0xcbf2_9ce4_8422_2325, |hash: u64, char| {
            (hash ^ u64::from(u32::from(char))).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(hash)
    }

    /// A number in `0.0..1.0` that depends on the city and on `salt`, and looks like chance.
    pub(super) fn chance(self, salt: u64) -> f64 {
        // The finalizer of SplitMix64: FNV alone leaves names that differ in one letter close together.
        let mut bits = self
            .0
            .wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // The upper 53 bits are what an f64 holds exactly.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Places {
    pub(super) fn well_known() -> Self {
        let place = |&(city, latitude, elevation): &(&str, f64, f64)| {
            (
                CityKey::new(city),
                Place {
                    latitude,
                    elevation,
                },
            )
        };
        Self(WELL_KNOWN.iter().map(place).collect())
    }

    /// Never fails: a name outside the table is given a place.
    pub(super) fn locate(&self, city: CityKey) -> Place {
        self.0.get(&city).copied().unwrap_or_else(|| {
            let (south, north) = INHABITED;
            Place {
                latitude: south + city.chance(0) * (north - south),
                elevation: 0.0,
            }
        })
    }
}

/// Name, latitude in degrees, elevation in metres.
const WELL_KNOWN: &[(&str, f64, f64)] = &[
    ("Accra", 5.6, 61.0),
    ("Addis Ababa", 9.0, 2355.0),
    ("Amsterdam", 52.4, -2.0),
    ("Anchorage", 61.2, 31.0),
    ("Athens", 38.0, 170.0),
    ("Auckland", -36.8, 20.0),
    ("Bangkok", 13.8, 2.0),
    ("Beijing", 39.9, 44.0),
    ("Berlin", 52.5, 34.0),
    ("Bogota", 4.7, 2640.0),
    ("Bogotá", 4.7, 2640.0),
    ("Buenos Aires", -34.6, 25.0),
    ("Cairo", 30.0, 23.0),
    ("Cape Town", -33.9, 25.0),
    ("Chicago", 41.9, 181.0),
    ("Delhi", 28.6, 216.0),
    ("Dublin", 53.3, 20.0),
    ("Havana", 23.1, 59.0),
    ("Helsinki", 60.2, 26.0),
    ("Hong Kong", 22.3, 50.0),
    ("Honolulu", 21.3, 6.0),
    ("Istanbul", 41.0, 39.0),
    ("Jakarta", -6.2, 8.0),
    ("Johannesburg", -26.2, 1753.0),
    ("Kyiv", 50.5, 179.0),
    ("Lagos", 6.5, 41.0),
    ("Lima", -12.0, 154.0),
    ("Lisbon", 38.7, 100.0),
    ("London", 51.5, 11.0),
    ("Los Angeles", 34.1, 93.0),
    ("Madrid", 40.4, 657.0),
    ("Melbourne", -37.8, 31.0),
    ("Mexico City", 19.4, 2240.0),
    ("Montreal", 45.5, 36.0),
    ("Moscow", 55.8, 156.0),
    ("Mumbai", 19.1, 14.0),
    ("Nairobi", -1.3, 1795.0),
    ("New York", 40.7, 10.0),
    ("Oslo", 59.9, 23.0),
    ("Paris", 48.9, 35.0),
    ("Perth", -31.9, 31.0),
    ("Quito", -0.2, 2850.0),
    ("Reykjavik", 64.1, 15.0),
    ("Rio de Janeiro", -22.9, 5.0),
    ("Rome", 41.9, 21.0),
    ("San Francisco", 37.8, 16.0),
    ("Santiago", -33.4, 570.0),
    ("Sao Paulo", -23.6, 760.0),
    ("São Paulo", -23.6, 760.0),
    ("Seattle", 47.6, 53.0),
    ("Seoul", 37.6, 38.0),
    ("Shanghai", 31.2, 4.0),
    ("Singapore", 1.4, 15.0),
    ("Stockholm", 59.3, 28.0),
    ("Sydney", -33.9, 58.0),
    ("Tokyo", 35.7, 40.0),
    ("Toronto", 43.7, 76.0),
    ("Ushuaia", -54.8, 23.0),
    ("Vancouver", 49.3, 70.0),
    ("Vienna", 48.2, 193.0),
    ("Warsaw", 52.2, 113.0),
    ("Wellington", -41.3, 20.0),
    ("Yakutsk", 62.0, 95.0),
    ("Zurich", 47.4, 408.0),
    ("Zürich", 47.4, 408.0),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_every_script_is_found_in_either_case() {
        let has_case =
            |char: &char| !char.to_lowercase().eq([*char]) || !char.to_uppercase().eq([*char]);
        for char in ('\0'..=char::MAX).filter(has_case) {
            let key = CityKey::new(&format!("x{char}x"));
            let upper = format!("x{}x", char.to_uppercase());
            let lower = format!("x{}x", char.to_lowercase());
            assert_eq!(CityKey::new(&upper), key, "{char:?} in upper case");
            assert_eq!(CityKey::new(&lower), key, "{char:?} in lower case");
        }
    }

    #[test]
    fn a_well_known_city_is_found_however_it_is_written() {
        let places = Places::well_known();
        for city in ["sydney", "SYDNEY", "  Sydney "] {
            assert_eq!(
                places.locate(CityKey::new(city)).latitude,
                -33.9,
                "{city:?}"
            );
        }
        assert_eq!(places.locate(CityKey::new("SÃO PAULO")).elevation, 760.0);
    }

    #[test]
    fn no_two_names_of_the_table_share_a_key() {
        assert_eq!(Places::well_known().0.len(), WELL_KNOWN.len());
    }

    #[test]
    fn the_key_of_a_city_never_changes() {
        // Proxies of two versions serve the same stream during a roll-out and must agree.
        assert_eq!(CityKey::new("Smallville"), CityKey(0x78b6_1d70_f5ac_8140));
    }

    #[test]
    fn chance_spreads_evenly() {
        let names = (0..10_000).map(|n| CityKey::new(&format!("City {n}")).chance(7));
        let mean = names.sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }
}
