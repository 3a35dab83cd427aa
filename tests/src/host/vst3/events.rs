use std::sync::{Mutex, MutexGuard, PoisonError};

use vst3::{
    Class,
    Steinberg::{
        Vst::{Event as VstEvent, Event_::EventTypes_, IEventList, IEventListTrait},
        kInvalidArgument, kResultFalse, kResultOk, tresult,
    },
};

use crate::host::Event;

/// Events in one block that there is room for.
const EVENTS: usize = 1024;

/// MIDI status of a control change on the first channel.
const CONTROL_CHANGE: u8 = 0xB0;

/// Events that a plugin sends in one block. As an input list it stays empty.
pub(super) struct EventList {
    events: Mutex<Vec<Event>>,
}

impl Default for EventList {
    fn default() -> Self {
        Self {
            events: Mutex::new(Vec::with_capacity(EVENTS)),
        }
    }
}

impl EventList {
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn drain_into(&self, events: &mut Vec<Event>) {
        events.append(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Class for EventList {
    type Interfaces = (IEventList,);
}

impl IEventListTrait for EventList {
    unsafe fn getEventCount(&self) -> i32 {
        self.lock().len() as i32
    }

    unsafe fn getEvent(&self, _: i32, _: *mut VstEvent) -> tresult {
        kInvalidArgument
    }

    unsafe fn addEvent(&self, event: *mut VstEvent) -> tresult {
        let mut events = self.lock();
        if events.len() == EVENTS {
            return kResultFalse;
        }
        // SAFETY: VST3 prescribes a pointer to an event.
        let event = unsafe { &*event };
        let offset = event.sampleOffset as u32;
        events.push(if event.r#type == EventTypes_::kLegacyMIDICCOutEvent as u16 {
            // SAFETY: The type says which member of the union is set.
            let control = unsafe { event.__field0.midiCCOut };
            Event::Midi {
                offset,
                bytes: [
                    CONTROL_CHANGE | (control.channel as u8 & 0x0F),
                    control.controlNumber,
                    control.value as u8,
                ],
            }
        } else {
            Event::Other {
                offset,
                kind: event.r#type,
            }
        });
        kResultOk
    }
}
