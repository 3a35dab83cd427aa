//! What the built plugin costs the audio thread, in a host that plays at real-time pace.

use std::thread::sleep;
use std::time::{Duration, Instant};

use affekt_tests::bundle;
use affekt_tests::host::{self, Format, Mode, Setup, Transport};
use affekt_tests::pass::choose;
use affekt_tests::vocal;
use color_eyre::Result;

use crate::quantile;

const SECONDS: f64 = 8.0;
const RATE_HZ: f64 = 48_000.0;

/// Prints one line per format and block size.
pub fn run() -> Result<()> {
    println!("\nPlugin: audio thread per block, stereo, {RATE_HZ} Hz, played at real-time pace for {SECONDS} s");
    for format in [Format::Clap, Format::Vst3] {
        for block in [64, 512] {
            measure(format, block, false)?;
            measure(format, block, true)?;
        }
    }
    Ok(())
}

/// `everything`: all lanes and the parameter changes are on, and the singer is being learned.
fn measure(format: Format, block: usize, everything: bool) -> Result<()> {
    let vocal = vocal::read()?;
    let module = host::load(&bundle::module(format)?, format)?;
    let id = module.scan()?.remove(0).id;
    let mut instance = module.instantiate(&id)?;
    let setup = Setup {
        sample_rate_hz: RATE_HZ,
        max_block: block,
        channels: 2,
        mode: Mode::Realtime,
        in_place: false,
    };
    let mut processor = instance.activate(&setup)?;

    if everything {
        let parameters = instance.parameters()?;
        let lanes = parameters.iter().filter(|parameter| parameter.name.ends_with("CC on"));
        let mut choices: Vec<_> = lanes.map(|parameter| (parameter.name.as_str(), 1.0)).collect();
        choices.extend([("Send parameter changes", 1.0), ("Learn this singer", 1.0)]);
        choose(instance.as_mut(), processor.as_mut(), &choices)?;
    }

    let period = Duration::from_secs_f64(block as f64 / RATE_HZ);
    let blocks = (SECONDS / period.as_secs_f64()) as usize;
    let mut times = Vec::with_capacity(blocks);
    let mut events = Vec::new();
    // The pitch does not matter to the cost: the samples are played at the plugin's rate as they are.
    let mut samples = vocal.channels[0].iter().copied().cycle();
    let start = Instant::now();
    for number in 0..blocks {
        for frame in 0..block {
            let sample = samples.next().unwrap_or(0.0);
            for channel in &mut processor.buffers().input {
                channel[frame] = sample;
            }
        }
        if let Some(early) = (period * number as u32).checked_sub(start.elapsed()) {
            sleep(early);
        }
        let before = Instant::now();
        processor.process(block, Transport::playing((number * block) as u64), &mut events)?;
        times.push(before.elapsed().as_secs_f64());
        events.clear();
    }
    instance.deactivate(processor)?;

    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let share = |time: f64| 100.0 * time / period.as_secs_f64();
    println!(
        "  {format:<5} {block:>4} samples{}   mean {:>6.2} µs = {:.3} % of the block   99th percentile {:>6.2} µs = {:.3} %",
        if everything { ", all on" } else { "        " },
        mean * 1e6,
        share(mean),
        quantile(&mut times, 0.99) * 1e6,
        share(quantile(&mut times, 0.99)),
    );
    Ok(())
}
