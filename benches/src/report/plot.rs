//! The three kinds of picture: bars of ratios, lines over a logarithmic axis, and lines over time.

use super::svg::{COLOURS, Picture, WIDTH};

/// One bar: a contender, its cost for each unit of ours, and where the middle half of the rounds lies.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Who.
    pub name: String,
    /// Its cost, as printed.
    pub cost: String,
    /// Low, median, high.
    pub ratio: (f64, f64, f64),
    /// Ours: its bar is the measure of the others.
    pub ours: bool,
}

/// A figure short enough for a label.
#[must_use]
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{:.1} M", value / 1e6),
        v if v >= 1e4 => format!("{:.0} k", value / 1e3),
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.01 || v == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Bars that begin at our cost: to the right who is dearer, to the left who is cheaper, on a logarithmic scale.
#[must_use]
pub fn bars(title: &str, unit: &str, bars: &[Bar]) -> String {
    const ROW: f64 = 22.0;
    const TOP: f64 = 74.0;
    const LEFT: f64 = 330.0;
    const RIGHT: f64 = WIDTH - 70.0;
    let bottom = TOP + ROW * bars.len() as f64;
    let mut picture = Picture::new(title, bottom + 36.0);
    picture.text(16.0, 46.0, "small", unit);
    let all = bars.iter().flat_map(|bar| [bar.ratio.0, bar.ratio.2, 1.0]);
    let (low, high) = range(all.filter(|ratio| ratio.is_finite() && *ratio > 0.0));
    let (low, high) = (low.log2().floor().min(-1.0), high.log2().ceil().max(1.0));
    let x = |ratio: f64| {
        let part = (ratio.max(f64::MIN_POSITIVE).log2() - low) / (high - low);
        LEFT + part.clamp(0.0, 1.0) * (RIGHT - LEFT)
    };
    let mut power = low as i32;
    let step = ((high - low) / 10.0).ceil() as i32;
    while power <= high as i32 {
        let ratio = f64::from(power).exp2();
        picture.line((x(ratio), TOP - 6.0), (x(ratio), bottom), "grid");
        let label = if power < 0 {
            format!("1/{}", 1u64 << -power)
        } else {
            format!("{}", 1u64 << power)
        };
        picture.text(x(ratio), TOP - 12.0, "small middle", format!("{label}×"));
        power += step;
    }
    for (row, bar) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let middle = y + ROW / 2.0;
        let (low, median, high) = bar.ratio;
        picture.text(16.0, middle + 4.0, "", &bar.name);
        picture.text(LEFT - 10.0, middle + 4.0, "small end", &bar.cost);
        let class = match median {
            _ if bar.ours => "ours",
            _ if median < 1.0 => "better",
            _ => "worse",
        };
        picture.bar(x(1.0), x(median), y + 4.0, ROW - 8.0, class);
        picture.line((x(low), middle), (x(high), middle), "spread");
        picture.text(RIGHT + 8.0, middle + 4.0, "", format!("{}×", short(median)));
    }
    picture.line((x(1.0), TOP - 6.0), (x(1.0), bottom), "axis");
    picture.text(
        16.0,
        bottom + 22.0,
        "small",
        "Cost relative to ours, logarithmic: to the right of 1× dearer than ours, to the left (orange) cheaper. Whisker: middle half of the rounds.",
    );
    picture.finish()
}

/// A line: its name and its points.
pub type Series = (String, Vec<(f64, f64)>);

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// In equal steps.
    Linear,
    /// In equal ratios.
    Logarithmic,
}

impl Scale {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(1e-9).log10(),
        }
    }

    /// Where lines across the picture go.
    fn ticks(self, low: f64, high: f64) -> Vec<f64> {
        match self {
            Self::Linear => {
                let raw = ((high - low) / 6.0).max(1e-9);
                let unit = 10f64.powf(raw.log10().floor());
                let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * unit);
                let step = step.into_iter().find(|step| *step >= raw).unwrap_or(raw);
                let first = (low / step).ceil() as i64;
                (first..)
                    .map(|n| n as f64 * step)
                    .take_while(|tick| *tick <= high + 1e-9)
                    .collect()
            }
            Self::Logarithmic => {
                let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
                let fine = to - from <= 3;
                let parts: &[f64] = if fine { &[1.0, 2.0, 5.0] } else { &[1.0] };
                (from..=to)
                    .flat_map(|power| parts.iter().map(move |part| part * 10f64.powi(power)))
                    .filter(|tick| (low * 0.99..=high * 1.01).contains(tick))
                    .collect()
            }
        }
    }
}

/// A picture of lines.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    /// Above it.
    pub title: &'a str,
    /// What is across.
    pub across: &'a str,
    /// What is upwards.
    pub upwards: &'a str,
    /// How both axes are divided.
    pub scales: (Scale, Scale),
    /// Places across that are named; none: wherever the scale has them.
    pub places: &'a [f64],
}

/// Lines, each named at its right end.
#[must_use]
pub fn lines(about: &Lines<'_>, series: &[Series]) -> String {
    const HEIGHT: f64 = 420.0;
    const TOP: f64 = 64.0;
    const BOTTOM: f64 = HEIGHT - 56.0;
    const LEFT: f64 = 70.0;
    const RIGHT: f64 = WIDTH - 210.0;
    let mut picture = Picture::new(about.title, HEIGHT);
    picture.text(16.0, 48.0, "small", about.upwards);
    let points = || series.iter().flat_map(|(_, points)| points.iter().copied());
    let (left, right) = range(points().map(|(x, _)| x));
    let (mut low, mut high) = range(points().map(|(_, y)| y));
    match about.scales.1 {
        Scale::Linear => (low, high) = (low.min(0.0), high * 1.05),
        Scale::Logarithmic => (low, high) = (low / 1.3, high * 1.3),
    }
    let along = |scale: Scale, value: f64, (low, high): (f64, f64), (from, to): (f64, f64)| {
        let span = scale.place(high) - scale.place(low);
        from + (scale.place(value) - scale.place(low)) / span.max(1e-9) * (to - from)
    };
    let x = |value| along(about.scales.0, value, (left, right), (LEFT, RIGHT));
    let y = |value| along(about.scales.1, value, (low, high), (BOTTOM, TOP));
    for tick in about.scales.1.ticks(low, high) {
        picture.line((LEFT, y(tick)), (RIGHT, y(tick)), "grid");
        picture.text(LEFT - 8.0, y(tick) + 4.0, "small end", short(tick));
    }
    let places = if about.places.is_empty() {
        about.scales.0.ticks(left, right)
    } else {
        about.places.to_vec()
    };
    for tick in places {
        picture.line((x(tick), BOTTOM), (x(tick), BOTTOM + 5.0), "axis");
        picture.text(x(tick), BOTTOM + 20.0, "small middle", tick);
    }
    picture.line((LEFT, BOTTOM), (RIGHT, BOTTOM), "axis");
    picture.text(RIGHT, BOTTOM + 38.0, "small end", about.across);
    let mut ends: Vec<(f64, usize)> = Vec::new();
    for (number, (_, points)) in series.iter().enumerate() {
        let colour = number % COLOURS;
        let points: Vec<_> = points
            .iter()
            .map(|(across, up)| (x(*across), y(*up)))
            .collect();
        picture.curve(&points, number);
        if points.len() < 12 {
            points.iter().for_each(|point| picture.dot(*point, colour));
        }
        ends.extend(points.last().map(|end| (end.1, number)));
    }
    // Names must not lie on each other.
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = TOP;
    let room = (BOTTOM - TOP) / ends.len().max(1) as f64;
    for (index, (end, number)) in ends.iter().enumerate() {
        let left = (ends.len() - index) as f64 * room.min(15.0);
        let place = end.max(free).min(BOTTOM + 8.0 - left + room.min(15.0));
        free = place + room.min(15.0);
        picture.line(
            (RIGHT + 2.0, *end),
            (RIGHT + 12.0, place),
            &format!("s{}", number % COLOURS),
        );
        picture.text(
            RIGHT + 16.0,
            place + 4.0,
            &format!("f{}", number % COLOURS),
            &series[*number].0,
        );
    }
    picture.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_figure_is_shortened_to_nothing() {
        let shown = [0.0, 0.004_74, 0.05, 7.0, 12_345.0].map(short);
        assert_eq!(shown, ["0.00", "0.0047", "0.05", "7.00", "12 k"]);
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(
            Scale::Linear.ticks(0.0, 60.0),
            [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        );
        assert_eq!(
            Scale::Logarithmic.ticks(1.0, 10_000.0),
            [1.0, 10.0, 100.0, 1000.0, 10_000.0]
        );
        assert_eq!(Scale::Logarithmic.ticks(3.0, 40.0), [5.0, 10.0, 20.0]);
    }

    #[test]
    fn who_is_cheaper_than_we_is_marked() {
        let bar = |name: &str, ratio, ours| Bar {
            name: name.to_owned(),
            cost: "1".to_owned(),
            ratio: (ratio, ratio, ratio),
            ours,
        };
        let text = bars(
            "t",
            "u",
            &[
                bar("pool", 1.0, true),
                bar("cell", 0.25, false),
                bar("lock", 30.0, false),
            ],
        );
        assert_eq!(text.matches("class=\"better\"").count(), 1);
        assert_eq!(text.matches("class=\"worse\"").count(), 1);
        assert!(text.contains("30.0×") && text.contains("1/4×"), "{text}");
    }

    #[test]
    fn every_line_is_named() {
        let about = Lines {
            title: "t",
            across: "threads",
            upwards: "ns",
            scales: (Scale::Logarithmic, Scale::Logarithmic),
            places: &[1.0, 64.0],
        };
        let series = [
            ("a".to_owned(), vec![(1.0, 2.0), (64.0, 2.0)]),
            ("b".to_owned(), vec![(1.0, 2.0), (64.0, 2.1)]),
        ];
        let text = lines(&about, &series);
        assert_eq!(text.matches("<polyline").count(), 2);
        assert!(text.contains(">a</text>") && text.contains(">b</text>"));
        assert!(!text.contains("NaN") && !text.contains("inf"));
    }
}
