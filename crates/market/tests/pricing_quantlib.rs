//! Prices and their derivatives are QuantLib's, and those of 60-digit arithmetic.
//!
//! The points cover the domain: a grid with its edges, and pseudo-random points in the region where options are traded and out to the
//! deepest tails. They are computed here and compared by `checks/quantlib/check.py`, which says how. Python packages are installed from
//! PyPI into the target folder when that has not been done for the requirements as they are. A machine without Python's `venv` leaves
//! the test out by name, unless it is one for continuous integration (`CI` is set).

use rialto_market::pricing::{
    Fixed, MAX_STDEV, Scaled, Terms, YEAR_SECONDS, black76, exp, ln_ratio, normal_cdf, normal_pdf, total_stdev,
};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Numbers without a pattern: Steele's SplitMix.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Of about this size, with a uniform logarithm: base·2^(0 to octaves).
    fn spread(&mut self, base: u64, octaves: u32) -> u64 {
        let octave = self.below(octaves.into());
        let size = base << octave;
        size + self.below(size)
    }
}

/// A number of 2^-40, which doubles represent exactly.
fn fraction(units: u64) -> Fixed {
    Fixed::from_bits(i128::from(units) << 56)
}

/// An option with this total deviation (about) in units of 2^-40.
fn option(forward: u64, strike: u64, stdev: u64, quarters: u64, rate: i64, is_call: bool) -> Terms {
    // Times of which the square root is exact, so that the deviation is.
    let years = Fixed::from_bits(i128::from(quarters * quarters) << 92);
    let volatility = fraction((stdev * 4).div_ceil(quarters));
    Terms { forward, strike, volatility, years, rate: Fixed::from_bits(i128::from(rate) << 80), is_call }
}

/// Moneyness from 1e-4 to 1e4, deviations from 0.001 to 5, short and long times, with and without a rate.
fn grid() -> Vec<Terms> {
    const FORWARD: u64 = 1_000_000_000;
    const RATIOS: [(u64, u64); 19] = [
        (1, 10_000),
        (1, 1000),
        (1, 100),
        (1, 10),
        (1, 4),
        (1, 2),
        (4, 5),
        (9, 10),
        (99, 100),
        (999_999, 1_000_000),
        (1, 1),
        (1_000_001, 1_000_000),
        (101, 100),
        (11, 10),
        (5, 4),
        (2, 1),
        (10, 1),
        (1000, 1),
        (10_000, 1),
    ];
    const STDEV_PER_MILLE: [u64; 14] = [1, 2, 5, 10, 20, 50, 100, 200, 400, 700, 1000, 2000, 3500, 5000];
    let mut options = Vec::new();
    for (n, d) in RATIOS {
        for stdev in STDEV_PER_MILLE {
            for (quarters, rate) in [(1, 0), (3, 3277), (16, -655)] {
                for is_call in [true, false] {
                    options.push(option(FORWARD, FORWARD / d * n, (stdev << 40) / 1000, quarters, rate, is_call));
                }
            }
        }
    }
    options
}

fn options() -> Vec<Terms> {
    let mut options = grid();
    let mut random = Random(1);
    // Where options are traded.
    for _ in 0..6000 {
        let forward = 1 + random.below(1 << 50);
        let strike = (u128::from(forward) * u128::from(300_000 + random.below(2_700_000)) / 1_000_000) as u64;
        let stdev = random.spread(1 << 34, 7);
        let (quarters, rate) = (1 + random.below(8), random.below(13_107) as i64 - 3277);
        options.push(option(forward, strike.max(1), stdev, quarters, rate, random.below(2) == 0));
    }
    // All over the domain, any integers, small deviations and deep tails.
    for _ in 0..6000 {
        let (forward, strike) = (random.spread(1, 63), random.spread(1, 63));
        let strike = if random.below(3) == 0 { strike } else { forward.saturating_add(random.below(1 + forward / 8)) };
        let stdev = random.spread(1 << 20, 23);
        let (quarters, rate) = (1 + random.below(40), random.below(131_072) as i64 - 65_536);
        options.push(option(forward, strike, stdev, quarters, rate, random.below(2) == 0));
    }
    options
}

/// Whether something is left of the time value: h + s/2 < 64.
fn is_in_domain(terms: &Terms) -> bool {
    let stdev = terms.volatility * terms.years.sqrt().expect("a time");
    let log = ln_ratio(terms.forward.into(), terms.strike.into()).expect("not zero").to_bits().unsigned_abs() as i128;
    let far = 64 * stdev.to_bits() - (stdev * stdev).to_bits() / 2;
    stdev <= MAX_STDEV && stdev.to_bits() >= 1 << 76 && log < far
}

fn write_scaled(text: &mut String, value: Scaled) {
    let (mantissa, exponent) = value.to_parts();
    write!(text, " {mantissa} {exponent}").expect("text grows");
}

fn cases() -> String {
    let mut text = String::new();
    for terms in options().iter().filter(|terms| is_in_domain(terms)) {
        let value = black76(terms).unwrap_or_else(|error| panic!("{terms:?}: {error}"));
        let [volatility, years, rate] = [terms.volatility, terms.years, terms.rate].map(Fixed::to_bits);
        write!(
            text,
            "black76 {} {} {volatility} {years} {rate} {}",
            terms.forward,
            terms.strike,
            u8::from(terms.is_call)
        )
        .expect("text grows");
        for result in [value.price, value.delta, value.gamma, value.vega, value.theta, value.rho] {
            write_scaled(&mut text, result);
        }
        text.push('\n');
    }
    let mut random = Random(2);
    for _ in 0..2000 {
        let deviation = (i128::from(random.next()) << 38) % (64 << 96) * if random.below(2) == 0 { 1 } else { -1 };
        for (name, function) in [("pdf", normal_pdf as fn(Fixed) -> Scaled), ("cdf", normal_cdf), ("exp", exp)] {
            write!(text, "{name} {deviation}").expect("text grows");
            write_scaled(&mut text, function(Fixed::from_bits(deviation)));
            text.push('\n');
        }
        let (n, d) = (random.spread(1, 63), random.spread(1, 63));
        let logarithm = ln_ratio(n.into(), d.into()).expect("not zero").to_bits();
        writeln!(text, "ln {n} {d} {logarithm}").expect("text grows");
        let (ppm, seconds) = (1 + random.below(5_000_000) as u32, 1 + random.below(2 * YEAR_SECONDS));
        let volatility = Fixed::from_ppm(ppm);
        let stdev = total_stdev(volatility, seconds).expect("below 16").to_bits();
        writeln!(text, "stdev {} {seconds} {stdev}", volatility.to_bits()).expect("text grows");
    }
    text
}

/// The interpreter of an environment with the requirements installed; `None` where there is no way to make one.
fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quantlib");
    let python = folder.join("venv/bin/python3");
    let requirements = requirements();
    let wanted = std::fs::read_to_string(&requirements).expect("checks/quantlib/requirements.txt is readable");
    let stamp = folder.join("stamp");
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Some(python);
    }
    let run = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("{command:?}: {error}")),
    };
    let has_venv = run(Command::new("python3").args(["-c", "import venv, ensurepip"]));
    if has_venv.is_err() && std::env::var_os("CI").is_none() {
        return None;
    }
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let steps = has_venv
        .and_then(|()| run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder.join("venv"))))
        .and_then(|()| {
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&requirements))
        });
    steps.unwrap_or_else(|error| panic!("{error}"));
    std::fs::write(&stamp, wanted).expect("the stamp can be written");
    Some(python)
}

fn requirements() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../checks/quantlib/requirements.txt")
}

#[test]
fn prices_and_derivatives_are_those_of_quantlib_and_of_long_arithmetic() {
    let Some(python) = python() else {
        println!("left out: comparison with QuantLib, since there is no Python with venv to install it with");
        return;
    };
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quantlib/cases.txt");
    std::fs::write(&file, cases()).expect("the cases can be written");
    let script = requirements().with_file_name("check.py");
    let output = Command::new(python).arg(script).arg(&file).output().expect("Python starts");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
