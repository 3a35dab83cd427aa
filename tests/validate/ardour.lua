-- Checks the VST3 bundle in Ardour, headless: run by `cargo xtask validate` with ardour7-lua, in a home of its own.
--
-- Three busses with [tape that plays] -> [Affekt] -> [tape that records]: stereo with the plugin as it comes, mono with
-- outputs sent to the host, and stereo with every setting changed. The last two by presets of prepare_ardour.py.
-- Reports like tests/validate/common.py does.

io.stdout:setvbuf ("no")

local BUNDLE = os.getenv ("AFFEKT_BUNDLE")
local SOUND_FILE = os.getenv ("AFFEKT_SOUND")
local SESSION = os.getenv ("AFFEKT_SESSION")

local RATE = 48000
local PLAYED = 10 * RATE
-- Playback begins a moment after recording, and a latency comes on top.
local RECORDED = PLAYED + 2 * RATE

-- As in ardour_tape.lua.
local ROLE, LENGTH, CLOCK, STARTED, CHANNELS, CAPACITY, SOUND = 0, 1, 2, 3, 4, 5, 8
local PLAY, RECORD = 1, 2

local EMOTIONS = { "Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad" }
local OUTPUTS = { "Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Arousal", "Valence", "Confidence" }

local function report (name, result, detail)
	print (("check\t%s\t%s\t%s"):format (name, result, (tostring (detail or ""):gsub ("%s+", " "))))
end

-- Runs one check. `body` returns what is worth telling, or raises an error.
local function check (name, body)
	local passed, detail = pcall (body)
	if not passed then
		detail = tostring (detail):gsub ("^[^:]*:%d+: ", "")
	end
	report (name, passed and "pass" or "fail", detail)
	return passed
end

local function ensure (condition, ...)
	if not condition then
		error ((...):format (select (2, ...)), 0)
	end
end

local session, vst3

local function find_plugin ()
	-- The scanner is a program of Ardour's own, beside its libraries.
	local scanner = os.getenv ("ARDOUR_DLL_PATH") .. "/ardour-vst3-scanner"
	local output = io.popen (("timeout 60 '%s' -f '%s' 2>&1"):format (scanner, BUNDLE))
	local said = output:read ("a")
	output:close ()
	print (said)
	-- It ends well even if it refuses a bundle.
	ensure (said:find ("Found Plugin: Affekt", 1, true), "Ardour's scanner does not find the plugin in the bundle")
end

local function open_session ()
	local backend = AudioEngine:set_backend ("None (Dummy)", "Affekt", "")
	ensure (backend, "Ardour has no backend \"None (Dummy)\"")
	ensure (backend:set_device_name ("Silence") == 0, "the dummy backend has no device \"Silence\"")
	session = create_session (SESSION, "validate", RATE)
	ensure (session, "the session cannot be created")
	for plugin in ARDOUR.LuaAPI.list_plugins ():iter () do
		if plugin.type == ARDOUR.PluginType.VST3 and plugin.name == "Affekt" then
			vst3 = plugin
		end
	end
	ensure (vst3, "the scanned plugin is not in Ardour's list")
	return "unique id " .. vst3.unique_id
end

-- A processor's plugin.
local function plugin_of (processor)
	return processor:to_plugininsert ():plugin (0)
end

-- The plugin's parameters as a list of tables.
local function parameters (processor)
	local plugin = plugin_of (processor)
	local list = {}
	for index = 0, plugin:parameter_count () - 1 do
		if plugin:parameter_is_control (index) then
			local _, results = plugin:get_parameter_descriptor (index, ARDOUR.ParameterDescriptor ())
			local range = results[2]
			table.insert (list, {
				index = index,
				name = plugin:parameter_label (index),
				output = plugin:parameter_is_output (index),
				range = range,
				stepped = range.toggled or range.integer_step or range.enumeration,
			})
		end
	end
	return list
end

local function value (processor, parameter)
	return (ARDOUR.LuaAPI.get_processor_param (processor, parameter.index))
end

-- Sets every setting that Ardour shows to something else than what the preset "Changed" has, and mostly than its default
-- too; what they are now, by name.
local function change_settings (processor)
	local wanted = {}
	for _, parameter in ipairs (parameters (processor)) do
		if not parameter.output then
			local range = parameter.range
			local new = parameter.stepped and range.normal or range.lower + 0.4 * (range.upper - range.lower)
			ensure (ARDOUR.LuaAPI.set_processor_param (processor, parameter.index, new),
				"%s cannot be set", parameter.name)
			wanted[parameter.name] = new
		end
	end
	return wanted
end

local function summary (settings)
	local count = 0
	for _ in pairs (settings) do
		count = count + 1
	end
	return count > 0 and ("%d settings"):format (count) or "the plugin has no settings"
end

local function ensure_settings (wanted, processor)
	for _, parameter in ipairs (parameters (processor)) do
		local expected = wanted[parameter.name]
		if expected then
			local found = value (processor, parameter)
			-- The plugin may round to its own steps.
			ensure (math.abs (found - expected) <= 0.02 * (parameter.range.upper - parameter.range.lower),
				"%s is %f instead of %f", parameter.name, found, expected)
		end
	end
end

local function new_bus (name, channels)
	local busses = session:new_audio_route (channels, channels, nil, 1, name,
		ARDOUR.PresentationInfo.Flag.AudioBus, ARDOUR.PresentationInfo.max_order)
	for bus in busses:iter () do
		return bus
	end
	error ("Ardour makes no bus", 0)
end

local function tape_memory (processor)
	return plugin_of (processor):to_luaproc ():shmem ()
end

-- A bus with the plugin between two tapes.
local function new_strip (name, channels)
	local bus = new_bus (name, channels)
	local strip = {
		name = name,
		channels = channels,
		player = ARDOUR.LuaAPI.new_luaproc (session, "Affekt validation tape"),
		affekt = ARDOUR.LuaAPI.new_plugin (session, vst3.unique_id, ARDOUR.PluginType.VST3, ""),
		recorder = ARDOUR.LuaAPI.new_luaproc (session, "Affekt validation tape"),
	}
	for position, role in ipairs { "player", "affekt", "recorder" } do
		ensure (not strip[role]:isnil (), "Ardour does not load the %s", role)
		ensure (bus:add_processor_by_index (strip[role], position - 1, nil, true) == 0,
			"the bus does not take the %s", role)
		strip[role]:activate ()
		ensure (strip[role]:active (), "the %s cannot be activated", role)
	end
	strip.plays = tape_memory (strip.player)
	strip.records = tape_memory (strip.recorder)
	return strip
end

local function lists_parameters (strip)
	local outputs, settings = {}, 0
	for _, parameter in ipairs (parameters (strip.affekt)) do
		if parameter.output then
			outputs[parameter.name] = parameter
		else
			settings = settings + 1
		end
	end
	for _, name in ipairs (OUTPUTS) do
		ensure (outputs[name], "%s is not a read-only output", name)
		outputs[name] = nil
	end
	local unknown = next (outputs)
	ensure (not unknown, "%s is a read-only output that this script does not know", unknown)
	return ("%d settings"):format (settings)
end

local function load_preset (strip, name)
	local plugin = plugin_of (strip.affekt)
	local preset = plugin:preset_by_label (name)
	ensure (preset and preset.valid, "Ardour does not find the preset %s", name)
	ensure (plugin:load_preset (preset), "the preset %s is refused", name)
end

local function channel_of (memory, channel)
	return memory:to_float (SOUND + (channel - 1) * memory:atomic_get_int (CAPACITY)):array ()
end

-- Puts the sound on a strip's tape.
local function thread_tape (strip, sound)
	local frames = #sound / 8
	ensure (frames >= PLAYED, "the sound is shorter than what is to be played")
	ensure (RECORDED <= strip.records:atomic_get_int (CAPACITY), "the tape is too short")
	for channel = 1, strip.channels do
		local tape = channel_of (strip.plays, channel)
		local start = 4 * frames * (channel - 1)
		for frame = 1, PLAYED do
			tape[frame] = string.unpack ("<f", sound, start + 4 * frame - 3)
		end
	end
end

-- How many frames the recording tape has counted more than the playing one. They run in the same cycle, but were
-- put in one after the other; the pair is read until it has surely been read between two cycles.
local function clock_difference (strip)
	local last, times = nil, 0
	for _ = 1, 100 do
		ARDOUR.LuaAPI.wait_for_process_callback (1, 1000)
		local before = strip.plays:atomic_get_int (CLOCK)
		local difference = strip.records:atomic_get_int (CLOCK) - before
		if strip.plays:atomic_get_int (CLOCK) == before then
			times = difference == last and times + 1 or 0
			last = difference
			if times == 3 then
				return difference
			end
		end
	end
	error ("Ardour's engine does not run evenly enough to compare what was played and recorded", 0)
end

-- Plays the sound through all strips, and notes the outputs on the way.
local function play (strips)
	session:request_roll (ARDOUR.TransportRequestSource.TRS_UI)
	for _ = 1, 100 do
		if session:transport_rolling () then break end
		ARDOUR.LuaAPI.usleep (50000)
	end
	ensure (session:transport_rolling (), "the transport does not roll")
	for _, strip in ipairs (strips) do
		strip.difference = clock_difference (strip)
		strip.readings = {}
		strip.records:atomic_set_int (LENGTH, RECORDED)
		strip.records:atomic_set_int (ROLE, RECORD)
	end
	ARDOUR.LuaAPI.wait_for_process_callback (2, 1000)
	for _, strip in ipairs (strips) do
		strip.plays:atomic_set_int (LENGTH, PLAYED)
		strip.plays:atomic_set_int (ROLE, PLAY)
	end
	-- In steps that are short beside the plugin's own.
	for _ = 1, math.ceil ((RECORDED / RATE + 0.5) / 0.05) do
		ARDOUR.LuaAPI.usleep (50000)
		for _, strip in ipairs (strips) do
			local reading = {}
			for _, parameter in ipairs (parameters (strip.affekt)) do
				if parameter.output then
					reading[parameter.name] = value (strip.affekt, parameter)
				end
			end
			table.insert (strip.readings, reading)
		end
	end
	session:request_stop (false, false, ARDOUR.TransportRequestSource.TRS_UI)
	ARDOUR.LuaAPI.wait_for_process_callback (2, 1000)
end

local function bits (sample)
	return string.pack ("<f", sample)
end

local function passes_audio (strip)
	local latency = strip.affekt:signal_latency ()
	-- Where the first sample that was played must lie on the other tape.
	local start = strip.plays:atomic_get_int (STARTED) + strip.difference - strip.records:atomic_get_int (STARTED) + latency
	ensure (start >= 0 and start + PLAYED <= RECORDED, "the sound begins %d frames into the recording", start)
	for channel = 1, strip.channels do
		local played, heard = channel_of (strip.plays, channel), channel_of (strip.records, channel)
		for frame = 1, start do
			ensure (heard[frame] == 0, "channel %d is not silent before the sound (latency %d)", channel, latency)
		end
		local different, first = 0, nil
		local loud = false
		for frame = 1, PLAYED do
			local expected, found = played[frame], heard[start + frame]
			loud = loud or math.abs (found) > 0.1
			-- Zero has two signs.
			if expected ~= found or (expected == 0 and bits (expected) ~= bits (found)) then
				different, first = different + 1, first or frame
			end
		end
		ensure (different == 0, "%d of %d samples of channel %d differ, the first is number %s (latency %d)",
			different, PLAYED, channel, first, latency)
		ensure (loud, "nothing is heard on channel %d", channel)
	end
	local inputs = strip.affekt:to_plugininsert ():natural_input_streams ():n_audio ()
	return ("%.0f s, latency %d samples, in the plugin's %s version"):format (
		PLAYED / RATE, latency, inputs == 1 and "mono" or "stereo")
end

-- How often the emotions have moved on a strip, and what they said at the end.
local function movement (strip)
	local moves, last = 0, nil
	for _, reading in ipairs (strip.readings) do
		local sum, changed = 0, false
		for _, name in ipairs (EMOTIONS) do
			sum = sum + reading[name]
			changed = changed or (last and last[name] ~= reading[name])
		end
		-- Read while the next values arrive, six may belong to two moments.
		ensure (sum < 1.2, "the emotions sum to %.3f on the bus %s", sum, strip.name)
		moves = moves + (changed and 1 or 0)
		last = reading
	end
	local sum, said = 0, {}
	for _, name in ipairs (EMOTIONS) do
		sum = sum + last[name]
		table.insert (said, ("%s %.3f"):format (name, last[name]))
	end
	-- Each follows with a speed of its own, and holds where it was when the voice ended.
	ensure (moves == 0 or math.abs (sum - 1) < 0.1, "the emotions sum to %.3f at the end, on the bus %s", sum, strip.name)
	return moves, table.concat (said, ", ")
end

local function outputs_move (default, sending)
	local by_default = movement (default)
	local when_sent, said = movement (sending)
	local counts = ("%d of %d readings differ from the one before with default settings, %d with parameter changes sent"):format (
		by_default, #default.readings, when_sent)
	ensure (when_sent >= 10, "the outputs do not move: %s", counts)
	return ("%s; at the end %s"):format (counts, said)
end

-- The plugin's states in the session's file, in the order of the busses.
local function saved_states ()
	session:save_state ("")
	local file = io.open (SESSION .. "/validate.ardour")
	ensure (file, "the session's file is not there")
	local text = file:read ("a")
	file:close ()
	local states = {}
	for state in text:gmatch ("<chunk>(.-)</chunk>") do
		table.insert (states, state)
	end
	return states
end

local function round_trip (strips, wanted)
	local names = {}
	for _, strip in ipairs (strips) do
		table.insert (names, strip.name)
	end
	local latency = strips[#strips].affekt:signal_latency ()
	local before = saved_states ()
	ensure (#before == #strips, "%d states in the session's file instead of %d", #before, #strips)
	ensure (not next (wanted) or before[1] ~= before[#before], "the state with changed settings is the default one")
	-- Nothing of the closed session may be held.
	for index = #strips, 1, -1 do
		strips[index] = nil
	end
	collectgarbage ()
	close_session ()
	session = load_session (SESSION, "validate")
	ensure (session, "the session cannot be loaded again")
	local route = session:route_by_name (names[#names])
	ensure (not route:isnil (), "the bus %s is gone", names[#names])
	local affekt = route:nth_plugin (1)
	ensure (not affekt:isnil () and affekt:display_name () == "Affekt", "the plugin is not on its bus any more")
	ensure_settings (wanted, affekt)
	local after = saved_states ()
	ensure (#after == #before, "%d states in the session's file instead of %d", #after, #before)
	for index, state in ipairs (before) do
		ensure (state == after[index], "the state on the bus %s differs after loading and saving", names[index])
	end
	return ("%d instances; %s; latency %d samples before, %d after loading"):format (
		#names, summary (wanted), latency, affekt:signal_latency ())
end

local strips, wanted = {}, {}

-- Each step needs the one before.
local ready = check ("scans the bundle", find_plugin)
	and check ("lists the plugin", open_session)
	and check ("loads it on stereo and mono busses", function ()
		strips = { new_strip ("Stereo", 2), new_strip ("Mono", 1), new_strip ("Changed", 2) }
	end)
if ready then
	check ("shows nine read-only outputs", function () return lists_parameters (strips[1]) end)
	check ("loads presets of another host", function ()
		load_preset (strips[2], "Sending")
		load_preset (strips[3], "Changed")
		ARDOUR.LuaAPI.wait_for_process_callback (4, 1000)
		-- Of the preset's alignment Ardour hears without activating the plugin anew.
		local latency = strips[3].affekt:signal_latency ()
		ensure (latency > 0, "the latency is still 0")
		return ("latency %d samples"):format (latency)
	end)
	check ("settings can be set", function ()
		wanted = change_settings (strips[3].affekt)
		ARDOUR.LuaAPI.wait_for_process_callback (4, 1000)
		ensure_settings (wanted, strips[3].affekt)
		return summary (wanted)
	end)
	local played = check ("plays", function ()
		local file = io.open (SOUND_FILE, "rb")
		ensure (file, "the sound is not there")
		local sound = file:read ("a")
		file:close ()
		for _, strip in ipairs (strips) do
			thread_tape (strip, sound)
		end
		play (strips)
	end)
	if played then
		check ("passes audio unchanged, stereo", function () return passes_audio (strips[1]) end)
		check ("passes audio unchanged, mono", function () return passes_audio (strips[2]) end)
		check ("passes audio unchanged, changed settings", function () return passes_audio (strips[3]) end)
		check ("moves its outputs while sound plays", function () return outputs_move (strips[1], strips[2]) end)
	end
	check ("session round trip", function () return round_trip (strips, wanted) end)
end
if session then
	close_session ()
end
quit ()
