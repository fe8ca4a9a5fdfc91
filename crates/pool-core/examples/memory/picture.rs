//! Draws resident memory over time.

use std::fmt::Write;

use crate::scenes::{Sample, Scene};

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = WIDTH - 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = HEIGHT - 50.0;

/// The picture, for light and dark pages.
pub(crate) fn draw(scenes: &[(Scene, Vec<Sample>)], period_ms: u64) -> String {
    let all = || scenes.iter().flat_map(|(_, samples)| samples);
    let last = all().map(|sample| sample.ms).max().unwrap_or(1) as f64;
    let most = all().map(|sample| sample.resident_kib).max().unwrap_or(1) as f64 / 1024.0;
    let top = (most / 10.0).ceil() * 10.0;
    let x = |ms: f64| LEFT + (RIGHT - LEFT) * ms / last;
    let y = |mib: f64| BOTTOM - (BOTTOM - TOP) * mib / top;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"title desc\" font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\" font-size=\"14\">\n"
    );
    svg += "  <title id=\"title\">Resident memory through a burst</title>\n";
    svg += "  <desc id=\"desc\">A pool that releases nothing stays at its height. By Go's rule everything goes at once, after two collections. Ours goes along a smooth curve within two periods.</desc>\n";
    svg += "  <style>\n    .ink { fill: #1f2328 } .dim { fill: #59636e; font-size: 12px } .grid { stroke: #d1d9e0; stroke-width: 1 }\n    \
            .line { fill: none; stroke-width: 2 } .kept { stroke: #59636e } .go { stroke: #bc4c00 } .ours { stroke: #0969da }\n    \
            @media (prefers-color-scheme: dark) {\n      .ink { fill: #f0f6fc } .dim { fill: #9198a1 } .grid { stroke: #3d444d }\n      \
            .kept { stroke: #9198a1 } .go { stroke: #f0883e } .ours { stroke: #4493f8 }\n    }\n  </style>\n";
    let period = period_ms as f64;
    let mut tick = 0.0;
    while tick * period <= last {
        let at = x(tick * period);
        _ = writeln!(
            svg,
            "  <path class=\"grid\" d=\"M{at:.1} {TOP} V{BOTTOM}\"/><text class=\"dim\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>",
            BOTTOM + 18.0
        );
        tick += 1.0;
    }
    for part in 0..=5 {
        let mib = top * f64::from(part) / 5.0;
        let at = y(mib);
        _ = writeln!(
            svg,
            "  <path class=\"grid\" d=\"M{LEFT} {at:.1} H{RIGHT}\"/><text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mib:.0}</text>",
            LEFT - 8.0,
            at + 4.0
        );
    }
    _ = writeln!(
        svg,
        "  <text class=\"ink\" x=\"{LEFT}\" y=\"24\">Resident memory (MiB) through a burst of 50,000 buffers of 1 KiB</text>\n  \
         <text class=\"dim\" x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\">time, in our periods of {period_ms} ms</text>",
        HEIGHT - 12.0
    );
    for (index, (scene, samples)) in scenes.iter().enumerate() {
        let class = match scene {
            Scene::Kept => "kept",
            Scene::GosRule => "go",
            _ => "ours",
        };
        let mut path = String::new();
        for sample in thinned(samples) {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let (at, height) = (x(sample.ms as f64), y(sample.resident_kib as f64 / 1024.0));
            _ = write!(path, "{letter}{at:.1} {height:.1}");
        }
        _ = writeln!(svg, "  <path class=\"line {class}\" d=\"{path}\"/>");
        let at = LEFT + 20.0 + 150.0 * index as f64;
        _ = writeln!(
            svg,
            "  <path class=\"line {class}\" d=\"M{at} 40 h24\"/><text class=\"ink\" x=\"{:.1}\" y=\"44\">{}</text>",
            at + 30.0,
            scene.label()
        );
    }
    svg + "</svg>\n"
}

/// The samples without those that lie on a level between two others.
fn thinned(samples: &[Sample]) -> Vec<Sample> {
    let mut kept: Vec<Sample> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let before = kept.last().map(|sample| sample.resident_kib);
        let after = samples.get(index + 1).map(|sample| sample.resident_kib);
        if before != Some(sample.resident_kib) || after != Some(sample.resident_kib) {
            kept.push(*sample);
        }
    }
    kept
}
