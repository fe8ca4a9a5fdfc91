//! Pictures as text. Colours are classes, with a set for light and one for dark surroundings, and the picture brings its
//! own background, so that it can be read in both.

use std::fmt::{Display, Write as _};

/// How wide pictures are.
pub const WIDTH: f64 = 800.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.small{font-size:11px;fill:#59636e}.title{font-size:15px;font-weight:600}\
.end{text-anchor:end}.middle{text-anchor:middle}.back{fill:#fff}.grid{stroke:#d1d9e0;stroke-width:1}\
.axis{stroke:#59636e;stroke-width:1}.ours{fill:#0969da}.worse{fill:#8c959f}.better{fill:#bc4c00}.spread{stroke:#1f2328;stroke-width:1.5}\
.line{fill:none;stroke-width:2}.broken{stroke-dasharray:6 4}.s0{stroke:#0969da}.s1{stroke:#bc4c00}.s2{stroke:#1a7f37}.s3{stroke:#8250df}.s4{stroke:#bf3989}\
.s5{stroke:#9a6700}.s6{stroke:#57606a}.s7{stroke:#1b7c83}.s8{stroke:#cf222e}.s9{stroke:#6e7781}\
.f0{fill:#0969da}.f1{fill:#bc4c00}.f2{fill:#1a7f37}.f3{fill:#8250df}.f4{fill:#bf3989}.f5{fill:#9a6700}.f6{fill:#57606a}\
.f7{fill:#1b7c83}.f8{fill:#cf222e}.f9{fill:#6e7781}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.back{fill:#0d1117}.grid{stroke:#3d444d}\
.axis{stroke:#9198a1}.ours{fill:#4493f8}.worse{fill:#656c76}.better{fill:#f0883e}.spread{stroke:#f0f6fc}\
.s0{stroke:#4493f8}.s1{stroke:#f0883e}.s2{stroke:#3fb950}.s3{stroke:#ab7df8}.s4{stroke:#db61a2}.s5{stroke:#d29922}\
.s6{stroke:#9198a1}.s7{stroke:#39c5cf}.s8{stroke:#f85149}.s9{stroke:#b1bac4}\
.f0{fill:#4493f8}.f1{fill:#f0883e}.f2{fill:#3fb950}.f3{fill:#ab7df8}.f4{fill:#db61a2}.f5{fill:#d29922}.f6{fill:#9198a1}\
.f7{fill:#39c5cf}.f8{fill:#f85149}.f9{fill:#b1bac4}}";

/// How many colours there are for lines.
pub const COLOURS: usize = 10;

/// A picture under way.
#[derive(Clone, Debug)]
pub struct Picture {
    height: f64,
    title: String,
    body: String,
}

impl Picture {
    /// An empty one with a title.
    #[must_use]
    pub fn new(title: &str, height: f64) -> Self {
        let mut picture = Self {
            height,
            title: title.to_owned(),
            body: String::new(),
        };
        picture.text(16.0, 26.0, "title", title);
        picture
    }

    /// A text that begins, ends or is centred at a point, as its class says.
    pub fn text(&mut self, x: f64, y: f64, class: &str, text: impl Display) {
        let text = escaped(&text.to_string());
        let _ = writeln!(
            self.body,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{text}</text>"
        );
    }

    /// A bar between two places, whichever is further left.
    pub fn bar(&mut self, x: f64, to: f64, y: f64, height: f64, class: &str) {
        let (left, width) = (x.min(to), (x - to).abs().max(1.0));
        let _ = writeln!(
            self.body,
            "<rect x=\"{left:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"/>"
        );
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let _ = writeln!(
            self.body,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"{class}\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    /// A line through points.
    ///
    /// Where there are more lines than colours, those of the second round are broken.
    pub fn curve(&mut self, points: &[(f64, f64)], number: usize) {
        let colour = number % COLOURS;
        let broken = if number < COLOURS { "" } else { " broken" };
        let list: Vec<_> = points
            .iter()
            .map(|(x, y)| format!("{x:.1},{y:.1}"))
            .collect();
        let list = list.join(" ");
        let _ = writeln!(
            self.body,
            "<polyline points=\"{list}\" class=\"line s{colour}{broken}\"/>"
        );
    }

    /// A point.
    pub fn dot(&mut self, (x, y): (f64, f64), colour: usize) {
        let _ = writeln!(
            self.body,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" class=\"f{colour}\"/>"
        );
    }

    /// The file.
    #[must_use]
    pub fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n<rect width=\"100%\" height=\"100%\" class=\"back\"/>\n{}</svg>\n",
            self.height,
            escaped(&self.title),
            self.body
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_bars_have_a_width() {
        let mut picture = Picture::new("Vec<u8> & co", 100.0);
        picture.bar(30.0, 10.0, 5.0, 8.0, "ours");
        let text = picture.finish();
        assert!(text.contains("Vec&lt;u8&gt; &amp; co"), "{text}");
        assert!(
            text.contains("<rect x=\"10.0\" y=\"5.0\" width=\"20.0\""),
            "{text}"
        );
        assert!(text.contains("prefers-color-scheme:dark"));
    }
}
