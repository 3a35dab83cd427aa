use std::sync::{Mutex, MutexGuard, PoisonError};

use vst3::{
    Class, ComWrapper,
    Steinberg::{
        Vst::{
            IParamValueQueue, IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, ParamID, ParamValue,
        },
        kInvalidArgument, kResultOk, tresult,
    },
};

use crate::host::Event;

/// Points of one parameter in one block that there is room for.
const POINTS: usize = 256;

/// Changes of parameters in one block, in room that is made beforehand.
pub(super) struct ParameterChanges {
    queues: Vec<ComWrapper<Queue>>,
    used: Mutex<usize>,
}

impl ParameterChanges {
    /// Room for changes of this many parameters.
    pub(super) fn with_room_for(parameters: usize) -> ComWrapper<Self> {
        let queues = (0..parameters).map(|_| ComWrapper::new(Queue::default())).collect();
        ComWrapper::new(Self {
            queues,
            used: Mutex::new(0),
        })
    }

    pub(super) fn clear(&self) {
        *lock(&self.used) = 0;
    }

    /// Adds a change, unless there is no room.
    pub(super) fn add(&self, id: ParamID, offset: i32, value: ParamValue) {
        if let Some((_, queue)) = self.queue(id) {
            queue.add(offset, value);
        }
    }

    /// Appends all changes, parameter by parameter.
    pub(super) fn drain_into(&self, events: &mut Vec<Event>) {
        let used = std::mem::take(&mut *lock(&self.used));
        for queue in &self.queues[..used] {
            let content = lock(&queue.content);
            events.extend(content.points.iter().map(|&(offset, value)| Event::Parameter {
                offset: offset as u32,
                id: content.id,
                value,
            }));
        }
    }

    /// The queue of a parameter; the next free one, if it has none yet.
    fn queue(&self, id: ParamID) -> Option<(usize, &ComWrapper<Queue>)> {
        let mut used = lock(&self.used);
        if let Some(found) = self.queues[..*used]
            .iter()
            .enumerate()
            .find(|(_, queue)| lock(&queue.content).id == id)
        {
            return Some(found);
        }
        let index = *used;
        let queue = self.queues.get(index)?;
        let mut content = lock(&queue.content);
        content.id = id;
        content.points.clear();
        *used += 1;
        Some((index, queue))
    }
}

impl Class for ParameterChanges {
    type Interfaces = (IParameterChanges,);
}

impl IParameterChangesTrait for ParameterChanges {
    unsafe fn getParameterCount(&self) -> i32 {
        *lock(&self.used) as i32
    }

    unsafe fn getParameterData(&self, index: i32) -> *mut IParamValueQueue {
        let used = *lock(&self.used);
        let queue = usize::try_from(index)
            .ok()
            .filter(|&index| index < used)
            .map(|index| &self.queues[index]);
        pointer(queue)
    }

    unsafe fn addParameterData(&self, id: *const ParamID, index: *mut i32) -> *mut IParamValueQueue {
        // SAFETY: VST3 prescribes a pointer to an identifier.
        let id = unsafe { *id };
        let found = self.queue(id);
        if let Some((position, _)) = found
            && !index.is_null()
        {
            // SAFETY: VST3 prescribes a place for the index.
            unsafe { *index = position as i32 };
        }
        pointer(found.map(|(_, queue)| queue))
    }
}

fn pointer(queue: Option<&ComWrapper<Queue>>) -> *mut IParamValueQueue {
    queue
        .and_then(|queue| queue.as_com_ref::<IParamValueQueue>())
        .map_or(std::ptr::null_mut(), |queue| queue.as_ptr())
}

#[derive(Default)]
struct Queue {
    content: Mutex<Points>,
}

struct Points {
    id: ParamID,
    points: Vec<(i32, ParamValue)>,
}

impl Default for Points {
    fn default() -> Self {
        Self {
            id: 0,
            points: Vec::with_capacity(POINTS),
        }
    }
}

impl Queue {
    /// Adds a point and returns its index, `None` where there is no room.
    fn add(&self, offset: i32, value: ParamValue) -> Option<usize> {
        let mut content = lock(&self.content);
        let index = content.points.len();
        (index < POINTS).then(|| {
            content.points.push((offset, value));
            index
        })
    }
}

impl Class for Queue {
    type Interfaces = (IParamValueQueue,);
}

impl IParamValueQueueTrait for Queue {
    unsafe fn getParameterId(&self) -> ParamID {
        lock(&self.content).id
    }

    unsafe fn getPointCount(&self) -> i32 {
        lock(&self.content).points.len() as i32
    }

    unsafe fn getPoint(&self, index: i32, offset: *mut i32, value: *mut ParamValue) -> tresult {
        let content = lock(&self.content);
        let Some(&point) = usize::try_from(index).ok().and_then(|index| content.points.get(index)) else {
            return kInvalidArgument;
        };
        // SAFETY: VST3 prescribes places for offset and value.
        unsafe { (*offset, *value) = point };
        kResultOk
    }

    unsafe fn addPoint(&self, offset: i32, value: ParamValue, index: *mut i32) -> tresult {
        let Some(position) = self.add(offset, value) else {
            return kInvalidArgument;
        };
        if !index.is_null() {
            // SAFETY: VST3 prescribes a place for the index.
            unsafe { *index = position as i32 };
        }
        kResultOk
    }
}

/// The lists are used by one thread at a time; the mutexes only say so to the compiler.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
