-- Two tape machines in one: before the plugin it plays a sound from memory, behind the plugin it records into memory.
-- The session's script (ardour.lua) puts the sound there, and reads what has been recorded.
ardour {
	["type"] = "dsp",
	name = "Affekt validation tape",
	category = "Utility",
	author = "Affekt",
	license = "MIT OR Apache-2.0",
	description = "Plays or records for cargo xtask validate"
}

-- Where things lie in the shared memory, counted in integers or floats; ardour.lua has the same list.
local ROLE, LENGTH, CLOCK, STARTED, CHANNELS, CAPACITY, SOUND = 0, 1, 2, 3, 4, 5, 8
local PLAY, RECORD = 1, 2
local FRAMES = 600000

local clock, position, channels = 0, 0, 0

function dsp_ioconfig ()
	return { { audio_in = -1, audio_out = -1 } }
end

function dsp_configure (ins, outs)
	channels = outs:n_audio ()
	local memory = self:shmem ()
	memory:allocate (SOUND + FRAMES * channels)
	memory:clear ()
	memory:atomic_set_int (CHANNELS, channels)
	memory:atomic_set_int (CAPACITY, FRAMES)
end

function dsp_run (ins, outs, frames)
	local memory = self:shmem ()
	local role = memory:atomic_get_int (ROLE)
	local left = 0
	if role ~= 0 then
		if position == 0 then
			memory:atomic_set_int (STARTED, clock)
		end
		left = math.max (0, math.min (frames, memory:atomic_get_int (LENGTH) - position))
	end
	for channel = 1, channels do
		local tape = memory:to_float (SOUND + (channel - 1) * FRAMES + position)
		if role == RECORD and left > 0 then
			ARDOUR.DSP.copy_vector (tape, ins[channel], left)
		end
		if role == PLAY and left > 0 then
			ARDOUR.DSP.copy_vector (outs[channel], tape, left)
		elseif not ins[channel]:sameinstance (outs[channel]) then
			ARDOUR.DSP.copy_vector (outs[channel], ins[channel], frames)
		end
		if role == PLAY and left < frames then
			ARDOUR.DSP.memset (outs[channel]:offset (left), 0, frames - left)
		end
	end
	position = position + left
	clock = clock + frames
	-- Last, so that who reads it knows that the rest has happened.
	memory:atomic_set_int (CLOCK, clock)
end
