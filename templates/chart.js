// What a chart can do in a browser: zoom, explain, filter, sort. The page is complete without it.
//
// Lengths are pixels of the sheet. "u" is a place on the line of ports of the whole picture, as
// chart.Scale has it: port p has the place from place(p) to place(p + 1). The view is the part of
// that line which is seen. Text of the page is only ever set as text, never as markup.
//
// In the order of the file: elements; the scale; the model; drawing; the axis; the view; rows of
// the picture; what is said about ports; pointer; keyboard; tables; filter; the address; theme;
// paper; begin.
const SVG = "http://www.w3.org/2000/svg";
const LAST = 65535;
const DEEPEST = 44; // pixels of a port where one cannot zoom in further: room for its number
const NARROWEST = 600; // pixels of a picture; a narrower window scrolls
const MOVED = 4; // pixels that make a press a drag

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const root = document.documentElement;
const svg = document.querySelector("#picture svg.picture");
const form = byId("filter");
const inspector = byId("inspector");
const length = data.at[data.at.length - 1];
const homeWidth = data.width - data.x;
const edge = data.left - 2; // margins of a picture alone are cut off

const state = {
	from: 0, to: length, // the view
	width: homeWidth, // of the line of ports
	tall: Number(svg.getAttribute("height")), // of the picture with all its rows
	gone: 0, // of that what a filter hides
	pinned: null, // what the inspector holds
	told: null, // what it says now
	aloud: true, // the view is read out: not while a pointer moves it
	printing: false,
};

// ---- elements

function make(tag, attributes, ...children) {
	const el = document.createElement(tag);
	give(el, attributes);
	el.append(...children);
	return el;
}

function give(el, attributes) {
	for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
}

function makeSVG(tag, className, parent) {
	const el = document.createElementNS(SVG, tag);
	el.setAttribute("class", className);
	parent.append(el);
	return el;
}

// set writes an attribute where it is another one: what stays costs nothing.
function set(el, name, value) {
	const known = el.known || (el.known = {});
	if (known[name] === value) return;
	known[name] = value;
	el.setAttribute(name, value);
}

const see = (el, shown) => set(el, "visibility", shown ? "visible" : "hidden");

function setText(el, text) {
	if (el.textContent !== text) el.textContent = text;
}

const clamp = (x, least, most) => Math.min(Math.max(x, least), most);
const round = (x) => Math.round(x * 1000) / 1000;

// ---- the scale, as chart.Scale has it

// stretch is the index of the last stop at or before a value of a list.
function stretch(list, value) {
	let low = 0, high = list.length - 1;
	while (low < high) {
		const middle = (low + high + 1) >> 1;
		if (list[middle] <= value) low = middle; else high = middle - 1;
	}
	return Math.min(low, list.length - 2);
}

function place(port) {
	const i = stretch(data.stops, port), a = data.stops[i], b = data.stops[i + 1];
	if (port === b) return data.at[i + 1];
	return data.at[i] + (data.at[i + 1] - data.at[i]) * (port - a) / (b - a);
}

// portAt is the port whose place holds u.
function portAt(u) {
	const i = stretch(data.at, u), a = data.stops[i], b = data.stops[i + 1], room = data.at[i + 1] - data.at[i];
	let port = room > 0 ? a + Math.floor((u - data.at[i]) * (b - a) / room) : a;
	port = clamp(port, 0, LAST);
	while (port < LAST && place(port + 1) <= u) port++;
	while (port > 0 && place(port) > u) port--;
	return port;
}

const factor = () => state.width / (state.to - state.from);
const toX = (u) => (u - state.from) * factor();
const toU = (x) => state.from + x / factor();

// extent is what is seen of ports, from the begin of the line; null where they are elsewhere.
function extent(first, last) {
	const least = data.least * Math.min(1, state.width / homeWidth);
	let from = toX(place(first)), to = toX(place(last + 1));
	if (to - from < least) {
		from = Math.min(from, toX(length) - least);
		to = from + least;
	}
	if (to <= 0 || from >= state.width) return null;
	return [Math.max(from, 0), Math.min(to, state.width)];
}

// ---- the model: data and elements side by side

// What is empty is not in the data.
const EMPTY = {
	name: "", title: "", words: "", service: "", place: "", origin: "", nominal: "", bind: "", proto: "", from: "", help: "", row: 0,
	bands: [], groups: [], lanes: [], bars: [], peers: [], because: [], marks: [], findings: [], widths: [], systems: [], notes: [],
};

const whole = (d) => ({ ...EMPTY, ...d, last: d.last ?? d.first });

const bars = new Map(); // by the number that its elements have
const barsOf = new Map(); // bars by the number of a finding's row
const panels = data.panels.map(panelOf);
const groups = panels.flatMap((p) => p.groups);
const lanes = groups.flatMap((g) => g.lanes);

function boxOf(el) {
	return { el, first: Number(el.dataset.first), last: Number(el.dataset.last) };
}

function panelOf(raw, i) {
	const d = whole(raw), el = byId(`panel-${i}`);
	d.bands = d.bands.map(whole);
	d.findings = d.findings.map(whole);
	d.peers = d.peers.map(whole);
	for (const old of el.querySelectorAll(":scope > .tick, :scope > .tick-line")) old.remove();
	const panel = { d, i, el, stale: true, shown: true, dy: 0, ticks: [], axis: makeSVG("g", "axis", el) };
	const elements = el.querySelectorAll(":scope > .group");
	panel.groups = d.groups.map((g, k) => groupOf(panel, whole(g), k, elements[k]));
	panel.bars = panel.groups.flatMap((g) => g.lanes.flatMap((l) => l.bars));
	return panel;
}

function groupOf(panel, d, k, el) {
	const group = { d, k, el, panel, shown: true, dy: 0 };
	const elements = el.querySelectorAll(":scope > .lane");
	d.bands = d.bands.map(whole);
	group.lanes = d.lanes.map((l, n) => laneOf(group, whole(l), n, elements[n]));
	return group;
}

function laneOf(group, d, n, el) {
	const lane = { d, el, group, shown: true, stale: true, dy: 0, lines: Math.floor((d.h - d.rows * data.row) / data.line + 1e-6) };
	const parts = Map.groupBy(el.querySelectorAll("[data-bar]"), (part) => part.dataset.bar);
	lane.bands = [...el.querySelectorAll(".band")].map(boxOf);
	lane.bars = d.bars.map((b, m) => barOf(lane, whole(b), `${group.panel.i}-${group.k}-${n}-${m}`, parts));
	// What is marked gets its words first: they are what people look for.
	lane.order = [...lane.bars].sort((a, b) => b.marks.length - a.marks.length);
	return lane;
}

function barOf(lane, d, id, parts) {
	const group = lane.group, panel = group.panel;
	d.proto ||= lane.d.proto;
	const bar = { id, d, lane, shown: true, system: group.d.system };
	bars.set(id, bar);
	for (const f of d.findings) {
		const row = `f-${panel.i}-${f}`;
		barsOf.set(row, [...(barsOf.get(row) || []), bar]);
	}
	const all = (name) => parts.get(id).filter((part) => part.classList.contains(name));
	d.marks = d.marks.map(whole);
	const runs = all("mark").map(boxOf), words = all("mark-words");
	bar.box = boxOf(all("bar")[0]);
	bar.ghosts = all("ghost").map(boxOf);
	bar.label = all("label")[0];
	// Marks of a lane say a thing once.
	bar.marks = d.marks.map((m) => ({ d: m, shown: true, boxes: runs.splice(0, m.ports.length), el: m.words.text && words.shift() }));
	bar.hay = haystack(group, d);
	const name = d.label || d.name;
	bar.labels = d.widths.map((w, i) => ({ text: i ? name : `${name} ${range(d)}${d.at ? ` on ${d.at}` : ""}`.trim(), w }));
	return bar;
}

// haystack is all of a bar that a filter finds.
function haystack(group, b) {
	const rules = b.findings.map((f) => group.panel.d.findings[f].rule);
	const because = b.because.map((r) => r[0]);
	return [group.d.name, group.d.title, b.service, b.name, b.words, b.place, b.kind, b.bind, b.origin, range(b), ...because, ...rules].join("\n").toLowerCase();
}

function range(b) {
	return b.first === b.last ? String(b.first) : `${b.first}-${b.last}`;
}

const withProto = (ports, proto) => proto ? `${ports}/${proto}` : ports;

// ---- drawing

let asked = false;

// redraw asks for a frame; however often it is asked, one is drawn.
function redraw() {
	for (const p of panels) p.stale = true;
	for (const lane of lanes) lane.stale = true;
	nextFrame();
}

function nextFrame() {
	if (asked) return;
	asked = true;
	requestAnimationFrame(draw);
}

// draw brings up to date what is seen of the picture; the rest waits until it is. It reads
// what it needs of the page first, and then only writes.
function draw() {
	asked = false;
	const top = svg.getBoundingClientRect().top + data.left - edge, ticks = numbers();
	for (const p of panels) {
		if (!reveal(p, 0, top)) continue;
		if (p.stale) drawAxis(p, ticks);
		p.stale = false;
		for (const g of p.groups) {
			if (!reveal(g, p.dy, top)) continue;
			for (const lane of g.lanes) if (lane.stale && lane.shown) drawLane(lane);
		}
	}
}

// reveal hides a panel or a group that is more than a window away, because a browser takes long
// for the picture of a hundred hosts, seen or not. What has the focus stays.
function reveal(part, dy, top) {
	const y = top + part.d.y + part.dy + dy, around = window.innerHeight;
	const near = state.printing || (y < 2 * around && y + part.d.h > -around) || (roving && (part === roving.lane.group || part === roving.lane.group.panel));
	return display(part.el, part.shown && near);
}

function display(el, shown) {
	set(el, "display", shown ? "inline" : "none");
	return shown;
}

function drawBox(box) {
	const e = extent(box.first, box.last);
	box.at = e;
	see(box.el, e);
	if (!e) return;
	const x = round(data.x + e[0]);
	set(box.el, "x", x);
	set(box.el, "width", round(round(data.x + e[1]) - x));
}

function drawLane(lane) {
	lane.stale = false;
	lane.bands.forEach(drawBox);
	for (const bar of lane.bars) {
		if (!bar.shown) continue;
		drawBox(bar.box);
		bar.ghosts.forEach(drawBox);
		for (const mark of bar.marks) mark.boxes.forEach(drawBox);
	}
	drawWords(lane);
}

// A row knows which spans of it are taken.
function take(row, from, to) {
	for (const s of row) if (from < s[1] - 1e-6 && s[0] < to - 1e-6) return false;
	row.push([from, to]);
	return true;
}

// drawWords writes the words about bars where chart.Lay puts them. In a narrow window there may be
// no room for all: then what is wrong goes first, and names last, which the inspector has too.
function drawWords(lane) {
	let words = placeWords(lane, false);
	if (words.some((w) => w.mark && !w.place)) words = placeWords(lane, true);
	const places = new Map(words.map((w) => [w.mark || w.bar, w.place]));
	for (const bar of lane.bars) {
		drawLabel(bar, places.get(bar));
		for (const mark of bar.marks) if (mark.el) write(mark.el, places.get(mark));
	}
}

// placeWords gives words about bars a place beside them, and those that have none there a place in
// the lines below, from left to right.
function placeWords(lane, marksFirst) {
	const rows = Array.from({ length: lane.d.rows }, () => []), lines = Array.from({ length: lane.lines }, () => []);
	const bars = lane.order.filter((bar) => bar.shown && bar.box.at);
	for (const bar of bars) {
		bar.spans = rows[bar.d.row];
		bar.spans.push(bar.box.at);
		[bar.before, bar.behind] = bar.box.at; // between them there is no room
	}
	for (const bar of bars) bar.ghosts.forEach((ghost) => avoid(bar, ghost));
	const labels = bars.flatMap((bar) => bar.labels.length ? [{ bar, from: bar.box.at[0], text: bar.labels[0], short: bar.labels[1] }] : []);
	const marks = bars.flatMap((bar) => bar.marks.flatMap((mark) => {
		const box = mark.el && mark.shown && mark.boxes.find((b) => b.at);
		return box ? [{ bar, mark, from: box.at[0], text: mark.d.words }] : [];
	}));
	const all = marksFirst ? [...marks, ...labels] : [...labels, ...marks];
	for (const w of all) {
		w.place = (!w.mark && insidePlace(w.bar, w.text)) || behindPlace(w.bar, w.text) || ((!w.mark || marksFirst) && beforePlace(w.bar, w.text));
	}
	const below = all.filter((w) => !w.place);
	if (!marksFirst) below.sort((a, b) => a.from - b.from);
	for (const w of below) { // a name without its ports is better than none
		w.place = linePlace(lane, w.from, w.text, lines) || (w.short && (behindPlace(w.bar, w.short) || beforePlace(w.bar, w.short)));
	}
	return all;
}

// avoid keeps words clear of where a bar is in another panel.
function avoid(bar, ghost) {
	if (!ghost.at || !take(bar.spans, ...ghost.at)) return;
	if (Math.abs(ghost.at[0] - bar.behind) < data.pad) bar.behind = ghost.at[1];
	if (Math.abs(ghost.at[1] - bar.before) < data.pad) bar.before = ghost.at[0];
}

// drawLabel writes the words about a bar in their place, or hides them.
function drawLabel(bar, place) {
	if (place && !bar.label) {
		bar.label = makeSVG("text", "label", bar.lane.el);
		bar.label.dataset.bar = bar.id;
	}
	if (!bar.label) return;
	write(bar.label, place);
	if (place) set(bar.label, "class", place.inner ? `label inner ${bar.system ? "behind" : bar.d.kind}` : "label");
}

const rowBase = (bar) => bar.lane.d.y + bar.d.row * data.row + data.bases[0];

// insidePlace is where words have room in a bar that has no marks.
function insidePlace(bar, { text, w }) {
	const [from, to] = bar.box.at;
	return w + 2 * data.pad <= to - from && !bar.marks.length ? { x: from + data.pad, y: rowBase(bar), text, w, inner: true } : null;
}

// behindPlace is where words have room behind a bar, and behind what stands there.
function behindPlace(bar, { text, w }) {
	const x = bar.behind + data.pad, end = x + w + data.pad;
	if (x + w > state.width || !take(bar.spans, bar.behind, end)) return null;
	bar.behind = end;
	return { x, y: rowBase(bar), text, w };
}

// beforePlace is where words have room before a bar. They are further from what is before them,
// which they would seem to belong to.
function beforePlace(bar, { text, w }) {
	const x = bar.before - data.pad, end = x - w - 3 * data.pad;
	if (x < w || !take(bar.spans, end, bar.before)) return null;
	bar.before = end;
	return { x, anchor: "end", y: rowBase(bar), text, w };
}

// linePlace is where words have room in the lines below the bars of a lane.
function linePlace(lane, from, { text, w }, lines) {
	const x = Math.max(Math.min(from, state.width - w), 0);
	const i = lines.findIndex((line) => take(line, x, x + w + data.pad));
	return i < 0 ? null : { x, y: lane.d.y + lane.d.rows * data.row + i * data.line + data.bases[1], text, w };
}

// write writes words into their place, or hides them where there is none.
function write(el, place) {
	see(el, place);
	if (!place) return;
	set(el, "text-anchor", place.anchor || "start");
	set(el, "x", round(data.x + place.x));
	set(el, "y", round(place.y));
	if (el.hasAttribute("textLength")) set(el, "textLength", round(place.w));
	setText(el, place.text);
}

// ---- the axis

// bounds are the ports that the axis names, what matters most first: [port, is it a last one].
const bounds = [...new Map([
	{ first: 0, last: LAST },
	...panels.flatMap((p) => p.d.bands),
	...[...bars.values()].filter((bar) => bar.marks.length).map((bar) => bar.d),
	...[...bars.values()].map((bar) => bar.d),
].flatMap((b) => b.last > b.first ? [[b.first, false], [b.last, true]] : [[b.first, false]]).map((bound) => [bound.join(), bound])).values()];

// numbers are the numbers for which there is room on the axis.
function numbers() {
	const row = [], out = [];
	const add = (port, last) => {
		const left = toX(place(port)), right = toX(place(port + 1)), w = String(port).length * data.digit;
		const edge = last ? right : left;
		if (edge < -0.5 || edge > state.width + 0.5) return;
		let from = last ? right - w : left;
		if (right - left >= w + data.pad) from = (left + right - w) / 2; // in the middle of its own place
		from = clamp(from, 0, state.width - w);
		if (take(row, from, from + w + data.pad)) out.push({ edge, from, port });
	};
	for (const [port, last] of bounds) add(port, last);
	if (!isWhole() || data.linear) for (const port of roundNumbers()) add(port, false);
	return out;
}

// roundNumbers are round numbers of the view, from the roundest on, down to each port.
function roundNumbers() {
	const out = [], first = portAt(state.from), last = portAt(state.to);
	for (const step of [10000, 5000, 1000, 500, 100, 50, 10, 5, 1]) {
		for (let i = stretch(data.stops, first); i < data.stops.length - 1 && data.stops[i] <= last; i++) {
			const begin = Math.max(data.stops[i], first), end = Math.min(data.stops[i + 1] - 1, last);
			const room = (toX(data.at[i + 1]) - toX(data.at[i])) / (data.stops[i + 1] - data.stops[i]);
			if (room * step < 40 && !(step === 1 && room >= DEEPEST * 0.99)) continue;
			for (let p = Math.ceil(begin / step) * step; p <= end; p += step) out.push(p);
		}
	}
	return out;
}

function drawAxis(panel, ticks) {
	const base = panel.d.axis + data.ticks[0], y2 = panel.d.top, y1 = y2 - data.ticks[1];
	while (panel.ticks.length < ticks.length) {
		panel.ticks.push({ line: makeSVG("line", "tick-line", panel.axis), text: makeSVG("text", "tick", panel.axis) });
	}
	panel.ticks.forEach(({ line, text }, i) => {
		const t = ticks[i];
		see(line, t);
		write(text, t && { x: t.from, y: base, text: String(t.port) });
		if (t) setLine(line, round(data.x + t.edge), round(y1), round(y2));
	});
}

function setLine(line, x, y1, y2) {
	set(line, "x1", x);
	set(line, "x2", x);
	set(line, "y1", y1);
	set(line, "y2", y2);
}

// ---- the view

const isWhole = () => state.from <= 0 && state.to >= length;

// look makes a part of the line the view.
function look(from, to) {
	const room = clamp(to - from, 1e-9, length);
	state.from = clamp(from, 0, length - room);
	state.to = state.from + room;
	if (length - state.to < 1e-9 && state.from < 1e-9) [state.from, state.to] = [0, length];
	looked();
}

// narrowest is the room in which each port of a part of the line has its number.
function narrowest(from, to) {
	let least = Infinity; // room of a port
	for (let i = stretch(data.at, from); i < data.at.length - 1 && data.at[i] < to; i++) {
		if (data.at[i + 1] > data.at[i]) least = Math.min(least, (data.at[i + 1] - data.at[i]) / (data.stops[i + 1] - data.stops[i]));
	}
	return state.width * least / DEEPEST;
}

// zoom makes things larger, or smaller for less than 1, around a place that stays: as long as
// there are ports in the view without a number.
function zoom(by, u = (state.from + state.to) / 2) {
	const room = state.to - state.from, share = (u - state.from) / room;
	const next = by > 1 ? Math.max(room / by, Math.min(room, narrowest(state.from, state.to))) : Math.min(room / by, length);
	look(u - share * next, u + (1 - share) * next);
}

const lookAround = (u, room) => look(u - room / 2, u + room / 2);

const pan = (u) => look(state.from + u, state.to + u);

// lookAt shows ports with a little of what is beside them.
function lookAt(first, last) {
	const from = place(first), to = place(last + 1);
	const room = Math.max((to - from) * 1.5, Math.min(narrowest(from, to), length / 6));
	lookAround((from + to) / 2, room);
}

const lookAtAll = () => look(0, length);

function looked() {
	redraw();
	svg.classList.toggle("whole", isWhole());
	set(byId("shown"), "aria-live", state.aloud ? "polite" : "off");
	setText(byId("shown"), isWhole() ? "all ports are shown" : `ports ${portAt(state.from)} to ${portAt(state.to - 1e-9)} are shown`);
	keep();
}

// ---- rows of the picture: those that a filter leaves move together

function stack() {
	let gone = 0;
	panels.forEach((p, i) => {
		p.dy = -gone;
		let inside = 0;
		p.groups.forEach((g, k) => {
			g.dy = -inside;
			let lower = 0;
			for (const lane of g.lanes) {
				lane.dy = -lower;
				if (!lane.shown) lower += lane.d.h;
				move(lane);
			}
			const next = p.groups[k + 1];
			inside += g.shown ? lower : (next ? next.d.y : p.d.y + p.d.h) - g.d.y;
			move(g);
		});
		const next = panels[i + 1];
		gone += p.shown ? inside : (next ? next.d.y - p.d.y : p.d.h);
		move(p);
	});
	size(gone);
}

function move(part) {
	if (part.lines >= 0) display(part.el, part.shown); // groups and panels: see reveal
	set(part.el, "transform", `translate(0 ${round(part.dy)})`);
}

// size makes the picture as wide as the page has room for, and as high as what is shown.
function size(gone) {
	const width = state.width + data.x + 2 * (data.left - edge), height = Math.max(state.tall - gone, 2 * data.left) - edge;
	set(svg, "width", width);
	set(svg, "height", height);
	set(svg, "viewBox", `${edge} ${edge} ${width} ${height}`);
	for (const el of svg.querySelectorAll(".rule")) set(el, "x2", state.width + data.x);
	state.gone = gone;
}

// fit follows the window. On paper the picture is scaled as it is.
function fit() {
	if (state.printing) return;
	const room = Math.max(svg.parentElement.clientWidth, NARROWEST) - 2 * (data.left - edge) - data.x;
	if (Math.abs(room - state.width) < 0.5) return;
	state.width = room;
	size(state.gone);
	redraw();
}

// ---- what is said about ports

const matches = (a, b) => !a || !b || a === b;
const within = (b, port) => b.first <= port && port <= b.last;

// tell fills the inspector: about a port of a lane, about a bar, or both.
function tell(at, aloud) {
	const key = at ? [at.bar?.id, at.lane && lanes.indexOf(at.lane), at.port, state.pinned === at].join() : "";
	if (key === state.told) return;
	state.told = key;
	inspector.setAttribute("aria-live", aloud ? "polite" : "off");
	inspector.classList.toggle("empty", !at);
	inspector.classList.toggle("pinned", state.pinned === at && at !== null);
	if (!at) {
		inspector.replaceChildren(make("p", { class: "quiet" }, "point at the picture, or go through its bars with the keyboard: what is known of ports stands here"));
		return;
	}
	const lane = at.lane, panel = lane.group.panel, proto = lane.d.proto;
	const covers = (b) => matches(b.proto, proto) && (at.port === null ? b.first <= at.bar.d.last && at.bar.d.first <= b.last : within(b, at.port));
	const claims = at.port === null ? [at.bar] : panel.bars.filter((b) => !b.system && covers(b.d));
	claims.sort((a, b) => (b === at.bar) - (a === at.bar) || (b.lane === lane) - (a.lane === lane));
	const title = withProto(at.port === null ? range(at.bar.d) : String(at.port), proto);
	inspector.replaceChildren(
		make("h2", {}, title),
		...(panels.length > 1 ? [make("p", { class: "quiet" }, panel.d.title)] : []),
		...(at === state.pinned ? [unpin()] : []),
		...(claims.length ? claims.map(claimWords) : [make("p", {}, lane.group.d.system ? lane.group.d.title || lane.group.d.name : "no service here has it")]),
		...bandWords([...panel.d.bands, ...lane.group.d.bands].filter(covers)),
		...findingWords(panel, claims, at.port),
	);
}

function unpin() {
	const button = make("button", { type: "button" }, "let go (Escape)");
	button.addEventListener("click", () => pin(null));
	return button;
}

// terms is a list of names and values; those without a value are left out.
function terms(list) {
	const dl = make("dl", {});
	for (const [name, value] of list) if (value) dl.append(make("dt", {}, name), make("dd", {}, value));
	return dl;
}

function claimWords(bar) {
	const b = bar.d, section = make("section", { class: "claim" });
	section.append(make("h3", {}, make("span", { class: `kind ${b.kind}` }), ` ${[b.service, b.name].filter(Boolean).join(" · ") || bar.lane.group.d.name}`));
	section.append(terms([
		["for", b.words], ["ports", withProto(range(b), b.proto)], ["written", b.nominal], ["address", b.bind],
		["origin", b.origin], ["place", b.place],
	]));
	const because = b.because.filter((r) => r[0] !== b.place || r[1]);
	if (because.length) {
		section.append(make("p", { class: "quiet" }, "because of"), make("ul", {}, ...because.map(([where, text]) => make("li", {}, make("code", {}, text), ` ${where}`))));
	}
	return section;
}

function bandWords(bands) {
	if (!bands.length) return [];
	return [make("h3", {}, "lies in"), make("ul", {}, ...bands.map((b) =>
		make("li", {}, `${b.words} ${withProto(range(b), b.proto)}`, ...(b.from ? [make("br", {}), make("small", {}, `known from ${b.from}`)] : []))))];
}

// findingWords are the findings about bars; of those that mark ports, the ones that mark this.
function findingWords(panel, claims, port) {
	const seen = new Set();
	for (const bar of claims) {
		for (const f of bar.d.findings) {
			const marks = bar.d.marks.filter((m) => m.finding === f);
			if (port === null || !marks.length || marks.some((m) => m.ports.some(([a, b]) => a <= port && port <= b))) seen.add(f);
		}
	}
	return [...seen].map((i) => {
		const f = panel.d.findings[i];
		return make("section", { class: `finding ${f.severity}` }, make("h3", {}, `${f.severity}: ${f.rule}`), make("p", {}, f.message),
			...f.notes.map((n) => make("p", { class: "quiet" }, n)), ...(f.help ? [make("p", {}, `help: ${f.help}`)] : []), make("p", { class: "quiet" }, f.place));
	});
}

// pin holds what is said, until somebody lets go.
function pin(at) {
	if (state.pinned?.bar) state.pinned.bar.box.el.setAttribute("aria-pressed", "false");
	if (inspector.contains(document.activeElement)) rove(state.pinned && seen(state.pinned.bar) ? state.pinned.bar : roving, true);
	state.pinned = at;
	if (at?.bar) at.bar.box.el.setAttribute("aria-pressed", "true");
	tell(at, true);
	light(at?.bar ? [at.bar] : []);
	keep();
}

let lit = [];

// light marks bars, and their rows in the tables.
function light(list) {
	for (const bar of lit) {
		bar.box.el.classList.remove("lit");
		if (bar.row) bar.row.classList.remove("lit");
	}
	lit = list;
	for (const bar of lit) {
		bar.box.el.classList.add("lit");
		if (bar.row) bar.row.classList.add("lit");
	}
}

// ---- pointer

const cursor = makeSVG("g", "cursor", svg.querySelector(".sheet"));
const cursorLine = makeSVG("line", "cursor-line", cursor), cursorText = makeSVG("text", "cursor-port", cursor);
const selection = makeSVG("rect", "selection", svg.querySelector(".sheet"));
const fingers = new Map(); // pointers that are down: where each is, and the place on the line that it holds
let pointer = null; // the last event that is not yet answered
let drag = null; // what they do

// spot is where an event is: on the sheet, in which panel and lane, and over which port.
function spot(event) {
	const box = svg.getBoundingClientRect();
	const x = event.clientX - box.left + edge - data.left - data.x, y = event.clientY - box.top + edge - data.left;
	const at = { x, y, line: x >= 0 && x <= state.width, panel: null, lane: null, axis: false, top: edge - box.top - data.left };
	for (const p of panels) {
		if (!p.shown || y < p.d.y + p.dy) continue;
		at.panel = p;
		at.axis = y < p.d.top + p.dy;
		for (const g of p.groups) {
			for (const lane of g.lanes) {
				const top = lane.d.y + p.dy + g.dy + lane.dy;
				if (g.shown && lane.shown && y >= top && y < top + lane.d.h) at.lane = lane;
			}
		}
	}
	if (at.axis) at.lane = null;
	at.u = toU(clamp(x, 0, state.width));
	at.port = portAt(at.u);
	return at;
}

const barOfEvent = (event) => bars.get(event.target.dataset?.bar) || null;

function hover() {
	const event = pointer;
	pointer = null;
	if (!event) return;
	const at = spot(event);
	drawCursor(at);
	if (state.pinned || drag) return;
	const bar = barOfEvent(event);
	light(bar ? [bar] : []);
	tell(said(at, bar), false);
}

// said is what the inspector says of a spot. A bar is wider than its ports where they are few,
// and its words stand beside it: there it is about the bar.
function said(at, bar) {
	if (bar && !(at.line && within(bar.d, at.port) && at.lane === bar.lane)) return ofBar(bar);
	return at.line && at.lane ? { bar, lane: at.lane, port: at.port } : null;
}

function drawCursor(at) {
	const seen = at.line && at.panel;
	see(cursor, seen);
	if (!seen) return;
	const p = at.panel, x = round(data.x + at.x), y1 = p.d.top + p.dy, bottom = state.tall - state.gone - 2 * data.left;
	const text = String(at.port), w = text.length * data.digit;
	setLine(cursorLine, x, round(y1), round(bottom));
	set(cursorText, "x", round(Math.min(x + 5, data.x + state.width - w)));
	set(cursorText, "y", round(Math.max(y1, at.top + 4) + 10));
	setText(cursorText, text);
}

function wheel(event) {
	const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
	const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX, down = event.shiftKey ? 0 : event.deltaY;
	const at = spot(event);
	if (!at.panel) return;
	const tall = state.tall - state.gone > window.innerHeight;
	if (Math.abs(across) > Math.abs(down)) {
		if (isWhole()) return;
		event.preventDefault();
		state.aloud = false;
		pan(across * unit / factor());
		return;
	}
	// The wheel scrolls the page where the picture needs that to be seen.
	if (!(event.ctrlKey || event.metaKey || at.axis || !tall) || (down > 0 && isWhole() && !event.ctrlKey)) return;
	event.preventDefault();
	state.aloud = false;
	zoom(Math.exp(-clamp(down * unit, -240, 240) * 0.0025), at.u);
}

function press(event) {
	if (event.button !== 0) return;
	const at = spot(event);
	if (!at.panel || fingers.size === 2) return;
	state.aloud = false;
	fingers.set(event.pointerId, { x: at.x, u: toU(at.x) });
	if (fingers.size === 1) drag = { at, axis: at.axis, moved: false, picked: null };
	else grab(event);
}

// grab makes a press a drag. Of two fingers neither marks ports.
function grab(event) {
	if (fingers.size === 2) drag.axis = false;
	drag.moved = true;
	svg.setPointerCapture(event.pointerId);
	svg.classList.add("dragged");
}

function moveTo(event) {
	pointer = event;
	requestAnimationFrame(hover);
	const finger = fingers.get(event.pointerId);
	if (!finger) return;
	const at = spot(event);
	if (!drag.moved && Math.abs(at.x - drag.at.x) < MOVED) return;
	if (!drag.moved) grab(event);
	finger.x = at.x;
	if (drag.axis) pick(at.port); else follow();
}

// follow moves the view, so that the places that fingers hold stay under them.
function follow() {
	const list = [...fingers.values()], a = list[0], b = list[list.length - 1];
	const u = (a.u + b.u) / 2, x = (a.x + b.x) / 2, spread = (b.u - a.u) / (b.x - a.x) * state.width;
	const room = spread > 0 ? clamp(spread, narrowest(Math.min(a.u, b.u), Math.max(a.u, b.u)), length) : state.to - state.from;
	const from = u - x * room / state.width;
	look(from, from + room);
}

// pick marks the ports from where a drag along the axis began.
function pick(port) {
	const first = Math.min(port, drag.at.port), last = Math.max(port, drag.at.port);
	const [from, to] = extent(first, last) || [0, 0], p = drag.at.panel;
	drag.picked = [first, last];
	see(selection, true);
	set(selection, "x", round(data.x + from));
	set(selection, "width", round(to - from));
	set(selection, "y", round(p.d.axis + p.dy));
	set(selection, "height", round(p.d.y + p.d.h - p.d.axis));
}

function release(event) {
	if (!fingers.delete(event.pointerId)) return;
	for (const finger of fingers.values()) finger.u = toU(finger.x);
	if (fingers.size) return;
	const { picked, moved, at } = drag;
	drag = null;
	see(selection, false);
	svg.classList.remove("dragged");
	if (event.type === "pointercancel") return;
	if (picked) look(place(picked[0]), place(picked[1] + 1));
	else if (!moved && !at.axis) click(event, at);
}

// click is a click: on a bar it holds what is said, elsewhere it lets go.
function click(event, at) {
	const bar = barOfEvent(event);
	pin(bar ? said(at, bar) : null);
	if (bar) rove(bar, false);
}

function leave() {
	pointer = null;
	see(cursor, false);
	if (state.pinned || drag) return;
	light([]);
	tell(null, false);
}

// ---- keyboard

let roving = null; // the bar that Tab reaches

const middleOf = (bar) => (place(bar.d.first) + place(bar.d.last + 1)) / 2;

// rove makes a bar the one that has the focus.
function rove(bar, focus) {
	if (roving) roving.box.el.setAttribute("tabindex", "-1");
	roving = bar;
	if (!bar) return;
	bar.box.el.setAttribute("tabindex", "0");
	if (!focus) return;
	if (!extent(bar.d.first, bar.d.last) || toX(place(bar.d.first)) < 0) lookAround(middleOf(bar), state.to - state.from);
	uncover(bar);
	bar.box.el.focus({ preventScroll: true });
	bar.box.el.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// uncover draws a bar that may be hidden: what is takes no focus, and has no place to scroll to.
function uncover(bar) {
	for (const part of [bar.lane.group.panel, bar.lane.group]) display(part.el, part.shown);
	drawLane(bar.lane);
}

const seen = (bar) => Boolean(bar) && shownBars(bar.lane).includes(bar);

const shownBars = (lane) => lane.shown && lane.group.shown && lane.group.panel.shown ? lane.bars.filter((b) => b.shown) : [];

// neighbour is the next bar of a lane, or the nearest one of the next lane that has any.
function neighbour(bar, across, down) {
	if (across) {
		const list = shownBars(bar.lane);
		return list[list.indexOf(bar) + across] || null;
	}
	for (let i = lanes.indexOf(bar.lane) + down; i >= 0 && i < lanes.length; i += down) {
		const list = shownBars(lanes[i]), far = (b) => Math.abs(place(b.d.first) - place(bar.d.first));
		if (list.length) return list.reduce((a, b) => far(b) < far(a) ? b : a);
	}
	return null;
}

function firstBar() {
	for (const lane of lanes) {
		const list = shownBars(lane);
		if (list.length) return list.find((b) => extent(b.d.first, b.d.last)) || list[0];
	}
	return null;
}

// key answers a key, and reports whether it did.
function key(event) {
	const bar = barOfEvent(event), room = state.to - state.from;
	const u = bar ? middleOf(bar) : undefined;
	const larger = () => zoom(1.5, u), smaller = () => zoom(1 / 1.5, u);
	const left = () => pan(-room / 8), right = () => pan(room / 8);
	const enter = () => rove(seen(roving) ? roving : firstBar(), true);
	const hold = () => pin(ofBar(bar));
	const step = (across, down) => () => {
		const next = neighbour(bar, across, down);
		if (next) rove(next, true);
	};
	const acts = {
		"+": larger, "=": larger, "-": smaller, "_": smaller, "0": lookAtAll, "Home": lookAtAll, "Shift ArrowLeft": left, "Shift ArrowRight": right,
		...(bar ? { "ArrowLeft": step(-1, 0), "ArrowRight": step(1, 0), "ArrowUp": step(0, -1), "ArrowDown": step(0, 1), "Enter": hold, " ": hold, "Escape": () => state.pinned ? pin(null) : svg.focus() }
			: { "ArrowLeft": left, "ArrowRight": right, "ArrowDown": enter, "Enter": enter, "Escape": () => pin(null) }),
	};
	const name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift ${event.key}` : event.key;
	if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(acts, name)) return false;
	state.aloud = true;
	acts[name]();
	return true;
}

// ofBar is what is said of a bar as a whole.
const ofBar = (bar) => ({ bar, lane: bar.lane, port: bar.d.first === bar.d.last ? bar.d.first : null });

function focused(event) {
	const bar = barOfEvent(event);
	if (!bar) return;
	rove(bar, false);
	if (state.pinned) return;
	light([bar]);
	tell(ofBar(bar), true);
}

// ---- tables

const rows = [...document.querySelectorAll("tr[data-row]")].map(rowOf);

function rowOf(el) {
	const id = el.dataset.row, parts = id.split("-");
	const row = { el, id, bars: bars.has(id) ? [bars.get(id)] : barsOf.get(id) || [], text: el.textContent.toLowerCase(), shown: true };
	if (bars.has(id)) {
		row.kind = "claim";
		bars.get(id).row = el;
		row.panel = Number(parts[0]);
	} else {
		row.kind = parts[0] === "f" ? "finding" : "peer";
		row.panel = Number(parts[1]);
		if (row.kind === "finding") row.finding = Number(parts[2]);
		else row.peer = panels[row.panel].d.peers[Number(parts[2])];
	}
	return row;
}

// show looks at what a row is about.
function show(row) {
	if (row.peer) return lookAt(row.peer.first, row.peer.last);
	if (!row.bars.length) return;
	const bar = row.bars.find((b) => b.shown) || row.bars[0];
	const marks = bar.d.marks.filter((m) => row.id === `f-${row.panel}-${m.finding}`).flatMap((m) => m.ports).flat();
	const ports = marks.length ? marks : [bar.d.first, bar.d.last];
	lookAt(Math.min(...ports), Math.max(...ports));
	uncover(bar);
	pin(ofBar(bar));
	rove(bar, false);
	bar.box.el.scrollIntoView({ block: "center", inline: "nearest" });
}

const rowAt = new Map(rows.map((row) => [row.el, row]));

// enhance puts buttons into the heads of a table, to sort, and into its rows, to show.
function enhance(table) {
	const body = table.tBodies[0], of = (event) => rowAt.get(event.target.closest("tr"));
	table.querySelectorAll("thead th").forEach((th, i) => {
		const button = make("button", { type: "button" }, th.textContent);
		th.replaceChildren(button);
		button.addEventListener("click", () => sort(table, th, i));
	});
	for (const el of body.rows) {
		const row = rowAt.get(el), cell = el.querySelector("th");
		if (!row.bars.length && !row.peer) continue;
		cell.replaceChildren(make("button", { type: "button", tabindex: "-1", title: "show in the picture" }, cell.textContent || "show"));
	}
	body.addEventListener("click", (event) => { if (!String(window.getSelection())) show(of(event)); });
	body.addEventListener("pointerover", (event) => { if (!state.pinned) light(of(event).bars); });
	body.addEventListener("pointerleave", () => { if (!state.pinned) light([]); });
	body.addEventListener("keydown", (event) => between(event, body));
}

// between moves the focus from row to row.
function between(event, body) {
	const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
	if (!step) return;
	event.preventDefault();
	const list = [...body.querySelectorAll("tr:not([hidden]) th button")];
	const next = list[list.indexOf(event.target) + step];
	if (!next) return;
	event.target.tabIndex = -1;
	next.tabIndex = 0;
	next.focus();
}

const order = new Intl.Collator("en", { numeric: true });

function sort(table, th, column) {
	const down = th.getAttribute("aria-sort") === "ascending", body = table.tBodies[0];
	for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
	th.setAttribute("aria-sort", down ? "descending" : "ascending");
	const value = (el) => el.cells[column].dataset.sort ?? el.cells[column].textContent;
	const sorted = [...body.rows].map((el) => [value(el), el]).sort((a, b) => order.compare(a[0], b[0]) * (down ? -1 : 1));
	body.append(...sorted.map((x) => x[1]));
}

// oneStop leaves one button of a table that Tab reaches: one that is shown.
function oneStop(table) {
	const buttons = [...table.querySelectorAll("tbody th button")], shown = buttons.filter((b) => !b.closest("tr").hidden);
	if (shown.some((b) => b.tabIndex === 0)) return;
	for (const b of buttons) b.tabIndex = -1;
	if (shown.length) shown[0].tabIndex = 0;
}

// ---- filter

const CHOICES = ["proto", "kind", "panel", "platform"], FIELDS = ["q", ...CHOICES];

// parts are the words of a filter. A number, or a range, is about ports.
function parts(text) {
	return text.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
		const m = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([a-z]+))?$/.exec(word);
		return m ? { word, first: Number(m[1]), last: Number(m[2] ?? m[1]), proto: m[3] } : { word };
	});
}

// agrees reports whether a bar has all words.
function agrees(b, hay, words) {
	return words.every((w) => hay.includes(w.word) || (w.first !== undefined && b.first <= w.last && w.first <= b.last && matches(b.proto, w.proto)));
}

function clear() {
	for (const name of FIELDS) field(name).value = "";
	field("found").checked = false;
}

// concerns reports whether a mark is so on a platform.
const concerns = (mark, platform) => !platform || !mark.systems.length || mark.systems.includes(platform);

// about reports whether a finding of a bar is so on a platform: what marks nothing always is.
function about(bar, finding, platform) {
	const marks = bar.d.marks.filter((m) => m.finding === finding);
	return !marks.length || marks.some((m) => concerns(m, platform));
}

const field = (name) => form.elements[name] || { value: "" };

function filter() {
	const f = { words: parts(field("q").value), found: field("found").checked };
	for (const name of CHOICES) f[name] = field(name).value;
	const focused = document.activeElement;
	for (const panel of panels) filterPanel(panel, f);
	for (const row of rows) {
		row.shown = rowShown(row, f);
		row.el.hidden = !row.shown;
	}
	document.querySelectorAll("table").forEach(oneStop);
	setText(byId("count"), ["claim", "finding", "peer"].map(count).filter(Boolean).join(", "));
	if (!seen(roving)) rove(firstBar(), false);
	const bar = bars.get(focused?.dataset.bar);
	if ((bar && !seen(bar)) || focused?.closest("[hidden]")) svg.focus({ preventScroll: true }); // it would be nowhere
	stack();
	redraw();
	keep();
}

function count(kind) {
	const all = rows.filter((r) => r.kind === kind), shown = all.filter((r) => r.shown);
	const name = { claim: "claims", finding: "findings", peer: "connections out" }[kind];
	return all.length ? `${shown.length} of ${all.length} ${name}` : "";
}

function filterPanel(panel, f) {
	const services = panel.groups.some((g) => !g.d.system);
	const chosen = f.platform && panel.groups.find((g) => g.d.system && g.d.name === f.platform);
	for (const group of panel.groups) {
		for (const lane of group.lanes) {
			for (const bar of lane.bars) setBar(bar, barShown(bar, f, services), f.platform);
			lane.shown = matches(lane.d.proto, f.proto) && lane.bars.some((b) => b.shown);
			for (const band of lane.bands) display(band.el, !chosen || band.el.classList.contains("system") || hasBand(chosen, band));
		}
		group.shown = group.lanes.some((l) => l.shown) || (!group.lanes.length && !f.words.length && !(f.platform && f.platform !== group.d.name));
	}
	panel.shown = (f.panel === "" || Number(f.panel) === panel.i) && (panel.groups.some((g) => g.shown) || !panel.groups.length);
}

// hasBand reports whether a band is what a system does.
const hasBand = (system, band) => system.lanes.some((l) => l.bars.some((b) => b.d.first === band.first && b.d.last === band.last));

// barShown: what systems do is the ground on which services are seen, and stays; in a panel
// of systems alone it is what one looks for.
function barShown(bar, f, services) {
	if (!matches(bar.d.proto, f.proto)) return false;
	if (bar.system && f.platform && bar.lane.group.d.name !== f.platform) return false;
	if (bar.system && services) return true;
	return (!f.kind || bar.d.kind === f.kind) && (!f.found || bar.d.findings.some((k) => about(bar, k, f.platform))) && agrees(bar.d, bar.hay, f.words);
}

function setBar(bar, shown, platform) {
	bar.shown = shown;
	for (const el of [bar.box.el, bar.label, ...bar.ghosts.map((g) => g.el)]) if (el) display(el, shown);
	for (const mark of bar.marks) {
		mark.shown = shown && concerns(mark.d, platform);
		for (const box of mark.boxes) display(box.el, mark.shown);
	}
}

function rowShown(row, f) {
	if (f.panel !== "" && Number(f.panel) !== row.panel) return false;
	if (row.kind === "claim") return row.bars[0].shown;
	if (row.bars.some((b) => b.shown && about(b, row.finding, f.platform))) return true;
	if (f.kind || (row.kind === "finding" && (f.proto || row.bars.length)) || (row.peer && f.found)) return false;
	if (row.peer && !matches(row.peer.proto, f.proto)) return false;
	return agrees(row.peer || { first: Infinity, last: -1 }, row.text, f.words);
}

// ---- the address: what is seen can be sent to others

let keeping = 0, known = location.hash; // last read or written

// keep writes the state into the address, a moment after the last change.
function keep() {
	if (keeping || state.printing) return;
	keeping = setTimeout(() => {
		keeping = 0;
		if (location.hash !== known) return; // one is not read
		const text = String(address());
		if (text === location.hash.slice(1) || (!text && byId(location.hash.slice(1)))) return;
		try {
			history.replaceState(null, "", text ? `#${text}` : location.href.split("#")[0]);
			known = location.hash;
		} catch {} // a page may have no address
	}, 150);
}

function address() {
	const out = new URLSearchParams();
	for (const name of FIELDS) if (field(name).value) out.set(name, field(name).value);
	if (field("found").checked) out.set("found", "1");
	if (!isWhole()) out.set("ports", `${portAt(state.from)}-${portAt(state.to - 1e-9)}`);
	if (state.pinned?.bar) out.set("bar", state.pinned.bar.id);
	if (theme() !== homeTheme) out.set("theme", theme());
	return out;
}

function recall() {
	known = location.hash;
	const text = known.slice(1), part = byId(text); // a link in the page
	if (part) goTo(part.dataset.panel); else restore(new URLSearchParams(text));
}

// restore makes what is seen what an address says. Anybody can have written it: what is no choice
// of this page is passed over.
function restore(got) {
	clear();
	field("q").value = (got.get("q") || "").slice(0, 200);
	for (const name of CHOICES) {
		const value = got.get(name);
		if (value && field(name).options && [...field(name).options].some((o) => o.value === value)) field(name).value = value;
	}
	field("found").checked = got.get("found") === "1";
	const ports = /^(\d{1,5})-(\d{1,5})$/.exec(got.get("ports") || "");
	const [first, last] = ports ? [Number(ports[1]), Number(ports[2])] : [0, LAST];
	filter();
	if (first <= last && last <= LAST) look(place(first), place(last + 1));
	const bar = bars.get(got.get("bar"));
	pin(bar ? ofBar(bar) : null);
	setTheme(THEMES.includes(got.get("theme")) ? got.get("theme") : homeTheme);
}

// goTo scrolls to a panel.
function goTo(i) {
	if (!panels[i] || !panels[i].shown) return;
	display(panels[i].el, true);
	panels[i].el.scrollIntoView({ block: "start" });
	nextFrame();
}

// ---- theme

const THEMES = ["auto", "light", "dark"]; // the first is that of the system
const theme = () => root.dataset.theme || THEMES[0];
const homeTheme = theme();

function setTheme(name) {
	if (name === THEMES[0]) delete root.dataset.theme; else root.dataset.theme = name;
	setText(byId("theme"), `theme: ${name === THEMES[0] ? "as the system" : name}`);
	keep();
}

// ---- paper

// On paper everything is seen.
function print() {
	if (state.printing) return;
	state.printing = address();
	clear();
	filter();
	lookAtAll();
	draw();
	if (panels.length > 1) separate();
}

// separate makes each panel a picture of its own: of one picture a browser draws all on each page
// that has some of it, and cuts it where the page ends.
function separate() {
	const width = svg.getAttribute("width");
	for (const { d, el } of panels) {
		const leaf = makeSVG("svg", `picture leaf ${d.h < width ? "whole" : ""}`, svg.parentElement);
		give(leaf, { viewBox: `${edge - data.left} ${d.y} ${width} ${d.h}`, role: "img", "aria-label": d.title });
		leaf.append(el);
	}
	svg.toggleAttribute("hidden");
}

function printed() {
	const before = state.printing;
	state.printing = false;
	if (!before) return;
	cursor.before(...panels.map((p) => p.el));
	document.querySelectorAll(".leaf").forEach((e) => e.remove());
	svg.removeAttribute("hidden");
	restore(before);
}

// ---- begin

function begin() {
	for (const el of document.querySelectorAll("#filter, #theme, .tools, #inspector")) el.hidden = false;
	root.classList.add("live");
	for (const title of svg.querySelectorAll(".lane title")) title.remove(); // the inspector says it
	give(svg, { role: "group", tabindex: "0", "aria-roledescription": "chart of ports", "aria-labelledby": "picture-title", "aria-describedby": "picture-desc" });
	for (const bar of bars.values()) {
		const rules = bar.d.findings.map((f) => bar.lane.group.panel.d.findings[f]).map((f) => `${f.severity} ${f.rule}`);
		const label = [`${bar.d.service || bar.lane.group.d.name} ${bar.d.name} ${withProto(range(bar.d), bar.d.proto)}`, ...rules].join(", ");
		give(bar.box.el, { role: "button", tabindex: "-1", "aria-pressed": "false", "aria-label": label });
	}
	for (const table of document.querySelectorAll("table")) enhance(table);
	listen();
	setTheme(homeTheme);
	tell(null, false);
	fit();
	filter();
	lookAtAll();
	recall();
}

function listen() {
	svg.addEventListener("wheel", wheel, { passive: false });
	const answers = { pointerdown: press, pointermove: moveTo, pointerup: release, pointercancel: release, pointerleave: leave, focusin: focused };
	for (const [name, answer] of Object.entries(answers)) svg.addEventListener(name, answer);
	svg.addEventListener("keydown", (event) => { if (key(event)) event.preventDefault(); });
	document.querySelector(".tools").addEventListener("click", (event) => {
		const act = { in: () => zoom(2), out: () => zoom(0.5), whole: lookAtAll }[event.target.dataset.do];
		state.aloud = true;
		if (act) act();
	});
	form.addEventListener("input", filter);
	form.addEventListener("submit", (event) => event.preventDefault());
	byId("all").addEventListener("click", () => {
		clear();
		filter();
		lookAtAll();
		pin(null);
	});
	byId("theme").addEventListener("click", () => setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]));
	document.querySelector("nav")?.addEventListener("click", (event) => {
		if (!event.target.dataset.to) return;
		event.preventDefault();
		goTo(event.target.dataset.to);
	});
	inspector.addEventListener("keydown", (event) => { if (event.key === "Escape") pin(null); });
	window.addEventListener("hashchange", recall);
	for (const on of ["scroll", "resize"]) window.addEventListener(on, nextFrame, { passive: true });
	window.addEventListener("beforeprint", print);
	window.addEventListener("afterprint", printed);
	new ResizeObserver(fit).observe(svg.parentElement);
}

begin();
