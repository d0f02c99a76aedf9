// SPDX-License-Identifier: LGPL-2.1-or-later
//! iceoryx2 from Rust to Rust, without loss and with an event a frame, as peers.py has it in Python:
//!
//!     bench-iceoryx2 write|read NAME [spin=1, and what measure.h lists]

use iceoryx2::prelude::*;
use std::ffi::{c_char, c_void, CString};

const MESSAGES: usize = 8; // that wait, at most: as many as a ring has slots by default

/// `struct pen` or `struct eye` of measure.h, which starts with nothing that is of interest here but
/// a pen's size. measure.c sees to it that they fit.
#[repr(C, align(16))]
struct Opaque([u64; 128]);

extern "C" {
    fn pen_init(pen: *mut Opaque, argv: *const *const c_char);
    fn pen_next(pen: *mut Opaque) -> bool;
    fn pen_write(pen: *mut Opaque, data: *mut c_void);
    fn eye_init(eye: *mut Opaque, argv: *const *const c_char);
    fn eye_look(eye: *mut Opaque, data: *const c_void, size: usize) -> bool;
    fn wait_for_goodbye();
}

type Result = std::result::Result<(), Box<dyn std::error::Error>>;
type Node = iceoryx2::node::Node<ipc::Service>;
type Frames =
    iceoryx2::service::port_factory::publish_subscribe::PortFactory<ipc::Service, [u8], ()>;
type Events = iceoryx2::service::port_factory::event::PortFactory<ipc::Service>;

fn services(
    node: &Node,
    name: &str,
) -> std::result::Result<(Frames, Events), Box<dyn std::error::Error>> {
    let frames = node
        .service_builder(&name.try_into()?)
        .publish_subscribe::<[u8]>()
        .enable_safe_overflow(false)
        .subscriber_max_buffer_size(MESSAGES)
        .open_or_create()?;
    let events = node
        .service_builder(&format!("{name}-event").as_str().try_into()?)
        .event()
        .open_or_create()?;
    Ok((frames, events))
}

fn write(node: &Node, name: &str, spin: bool, argv: *const *const c_char) -> Result {
    let mut pen = Opaque([0; 128]);
    unsafe { pen_init(&mut pen, argv) };
    let size = pen.0[0] as usize;
    let (frames, events) = services(node, name)?;
    let publisher = frames
        .publisher_builder()
        .initial_max_slice_len(size)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create()?;
    let notifier = events.notifier_builder().create()?;
    while unsafe { pen_next(&mut pen) } {
        let mut sample = publisher.loan_slice_uninit(size)?;
        unsafe { pen_write(&mut pen, sample.payload_mut().as_mut_ptr().cast()) };
        unsafe { sample.assume_init() }.send()?;
        if !spin {
            notifier.notify()?;
        }
    }
    Ok(())
}

fn read(node: &Node, name: &str, spin: bool, argv: *const *const c_char) -> Result {
    let mut eye = Opaque([0; 128]);
    unsafe { eye_init(&mut eye, argv) };
    let (frames, events) = services(node, name)?;
    let subscriber = frames.subscriber_builder().create()?;
    let listener = events.listener_builder().create()?;
    loop {
        match subscriber.receive()? {
            Some(sample) => {
                let data = sample.payload();
                if !unsafe { eye_look(&mut eye, data.as_ptr().cast(), data.len()) } {
                    break;
                }
            }
            None if !spin => {
                listener.blocking_wait(|_| ())?;
            }
            None => (),
        }
    }
    unsafe { wait_for_goodbye() };
    Ok(())
}

fn main() -> Result {
    let words: Vec<String> = std::env::args().collect();
    let [_, role, name, rest @ ..] = words.as_slice() else {
        return Err("usage: bench-iceoryx2 write|read NAME [KEY=VALUE...]".into());
    };
    let settings: Vec<CString> = rest
        .iter()
        .map(|word| CString::new(word.as_str()).unwrap())
        .collect();
    let mut argv: Vec<*const c_char> = settings.iter().map(|word| word.as_ptr()).collect();
    argv.push(std::ptr::null());
    let spin = rest.iter().any(|word| word == "spin=1");
    set_log_level(LogLevel::Error);
    let node = NodeBuilder::new()
        .signal_handling_mode(SignalHandlingMode::Disabled)
        .create::<ipc::Service>()?;
    match role.as_str() {
        "write" => write(&node, name, spin, argv.as_ptr()),
        _ => read(&node, name, spin, argv.as_ptr()),
    }
}
