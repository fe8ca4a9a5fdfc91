//! Reads the arguments, runs the scenes and writes down what came of them.

use std::path::Path;
use std::process::{Command, ExitCode};

use crate::scenes::{self, Sample, Scene};

const USAGE: &str = "memory [--period-ms N] [--docs DIR]\n\n\
    Runs the scenes and checks what comes out. With --docs, writes the figures into DIR/MEMORY.md, all samples to\n\
    DIR/memory.csv and the picture to DIR/pictures/memory.svg. The period of rotation is 2000 ms unless told otherwise.";

struct Options {
    period_ms: u64,
    docs: Option<String>,
    /// The scene to run in this process.
    scene: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        period_ms: 2000,
        docs: None,
        scene: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--period-ms" => {
                let text = value()?;
                options.period_ms = text
                    .parse()
                    .ok()
                    .filter(|millis| (100..=60_000).contains(millis))
                    .ok_or_else(|| format!("--period-ms is 100 to 60000, given was {text:?}"))?;
            }
            "--docs" => options.docs = Some(value()?),
            "--scene" => options.scene = Some(value()?),
            "--help" | "-h" => return Err(USAGE.to_owned()),
            _ => return Err(format!("unknown argument {arg:?}\n\n{USAGE}")),
        }
    }
    Ok(options)
}

/// The program.
pub(crate) fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if let Some(name) = &options.scene {
        return match Scene::ALL.into_iter().find(|scene| scene.name() == name) {
            Some(scene) => {
                scene.run(options.period_ms);
                ExitCode::SUCCESS
            }
            None => ExitCode::from(2),
        };
    }
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all scenes; says whether all went as they should.
fn run(options: &Options) -> Result<bool, String> {
    if scenes::resident().is_none() {
        println!("this system does not say how much memory a process holds: nothing is measured");
        return Ok(true);
    }
    let mut good = true;
    let mut lines = Vec::new();
    let mut drawn = Vec::new();
    let mut table = String::from("scene,ms,resident_kib,idle\n");
    for scene in Scene::ALL {
        let samples = in_a_process(scene, options.period_ms)?;
        for sample in &samples {
            table += &format!(
                "{},{},{},{}\n",
                scene.name(),
                sample.ms,
                sample.resident_kib,
                sample.idle
            );
        }
        match scene.verdict(&samples, options.period_ms) {
            Some(Ok(text)) => lines.push((scene, text)),
            Some(Err(text)) => {
                good = false;
                lines.push((scene, format!("FAILED: {text}")));
            }
            None => {
                lines.push((scene, scenes::summary(&samples)));
                drawn.push((scene, samples));
            }
        }
        if let Some((scene, text)) = lines.last() {
            println!("{}: {text}", scene.name());
        }
    }
    if let Some(docs) = &options.docs {
        let write = |name: &str, text: &str| {
            let path = Path::new(docs).join(name);
            std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        write("memory.csv", &table)?;
        let page = Path::new(docs).join("MEMORY.md");
        let text = std::fs::read_to_string(&page)
            .map_err(|error| format!("{}: {error}", page.display()))?;
        let figures: String = lines
            .iter()
            .map(|(scene, text)| format!("| {} | {text} |\n", scene.label()))
            .collect();
        let text = replaced(&text, &figures)
            .ok_or_else(|| format!("{} has no place for figures", page.display()))?;
        write("MEMORY.md", &text)?;
        let picture = crate::picture::draw(&drawn, options.period_ms);
        write("pictures/memory.svg", &picture)?;
    }
    Ok(good)
}

/// The page with new figures between its two marks.
fn replaced(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once("<!-- figures -->\n")?;
    let (_, after) = rest.split_once("<!-- end of figures -->\n")?;
    let head = "| scene | what came of it |\n|--|--|\n";
    Some(format!(
        "{before}<!-- figures -->\n{head}{figures}<!-- end of figures -->\n{after}"
    ))
}

/// Runs a scene in a process of its own, so that none inherits another's heap.
fn in_a_process(scene: Scene, period_ms: u64) -> Result<Vec<Sample>, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args(["--scene", scene.name()])
        .args(["--period-ms", &period_ms.to_string()])
        .envs(Scene::ENVIRONMENT)
        .output()
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {complaint}", scene.name()));
    }
    text.lines()
        .map(|line| Sample::parse(line).ok_or_else(|| format!("odd line {line:?}")))
        .collect()
}
