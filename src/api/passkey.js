// SPDX-License-Identifier: AGPL-3.0-or-later
// The pages /login and /passkey: a browser's passkeys and the calls of /v1 that go with them.
// Texts of others only ever become text of an element.
"use strict";

const part = (id) => document.getElementById(id);

// ---- bytes ---------------------------------------------------------------------------------------

function toText(buffer) {
	const bytes = Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("");
	return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function toBytes(text) {
	const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
	return Uint8Array.from(bytes, (c) => c.charCodeAt(0));
}

// ---- asking the master ---------------------------------------------------------------------------

async function ask(method, path, body) {
	const options = { method, credentials: "same-origin", cache: "no-store", redirect: "error" };
	if (method !== "GET") {
		options.headers = { "Content-Type": "application/json" };
		if (body) options.body = JSON.stringify(body);
	}
	const answer = await fetch(path, options);
	const document_ = await answer.json();
	if (answer.ok) return document_;
	const problem = new Error(document_.error ? document_.error.text : "the cloud does not answer as it should");
	problem.status = answer.status;
	throw problem;
}

// ---- showing -------------------------------------------------------------------------------------

function show(id) {
	for (const section of document.querySelectorAll("section")) section.hidden = section.id !== id;
}

function say(text, isBad) {
	part("note").textContent = text;
	part("note").classList.toggle("bad", Boolean(isBad));
	part("note").hidden = !text;
}

function wordsOf(problem) {
	if (problem.name === "NotAllowedError") return "Nothing was done: it was cancelled, took too long, or there is no passkey for this cloud here.";
	if (problem.name === "InvalidStateError") return "This device holds a passkey of yours already.";
	const text = problem.message || String(problem);
	return text.charAt(0).toUpperCase() + text.slice(1) + ".";
}

// A click does one thing at a time and says how it failed.
function onClick(button, work) {
	button.addEventListener("click", async () => {
		button.disabled = true;
		say("");
		try {
			await work();
		} catch (problem) {
			say(wordsOf(problem), true);
		} finally {
			button.disabled = false;
		}
	});
}

function row(title, about, word, work) {
	const item = document.createElement("li");
	const text = document.createElement("div");
	const name = document.createElement("b");
	const more = document.createElement("span");
	name.textContent = title;
	more.textContent = about;
	text.append(name, more);
	item.append(text);
	if (word) {
		const button = document.createElement("button");
		button.className = "plain";
		button.textContent = word;
		onClick(button, work);
		item.append(button);
	}
	return item;
}

const when = (text) => new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

// ---- what one can do -----------------------------------------------------------------------------

async function login() {
	const given = await ask("POST", "/v1/sessions/options");
	const credential = await navigator.credentials.get({
		publicKey: {
			challenge: toBytes(given.challenge),
			rpId: given.rp_id,
			timeout: given.timeout_ms,
			userVerification: "required",
		},
	});
	await ask("POST", "/v1/sessions", {
		credential: toText(credential.rawId),
		client_data: toText(credential.response.clientDataJSON),
		authenticator_data: toText(credential.response.authenticatorData),
		signature: toText(credential.response.signature),
		user_handle: toText(credential.response.userHandle || new ArrayBuffer(1)),
	});
	await start();
}

async function make(link) {
	const by = link ? { link } : {};
	const given = await ask("POST", "/v1/passkeys/options", by);
	const credential = await navigator.credentials.create({
		publicKey: {
			challenge: toBytes(given.challenge),
			rp: { id: given.rp_id, name: given.rp_name },
			user: { id: toBytes(given.user_id), name: given.person, displayName: given.person },
			pubKeyCredParams: given.algorithms.map((alg) => ({ type: "public-key", alg })),
			excludeCredentials: given.exclude.map((id) => ({ type: "public-key", id: toBytes(id) })),
			authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
			attestation: "none",
			timeout: given.timeout_ms,
		},
	});
	const made = await ask("POST", "/v1/passkeys", {
		...by,
		title: part("make-title").value.trim(),
		client_data: toText(credential.response.clientDataJSON),
		attestation_object: toText(credential.response.attestationObject),
	});
	part("made-title").textContent = made.title || `number ${made.passkey}`;
	show("made");
}

async function account(session) {
	const person = encodeURIComponent(session.person);
	const { passkeys } = await ask("GET", `/v1/persons/${person}/passkeys`);
	const { sessions } = await ask("GET", `/v1/persons/${person}/sessions`);
	part("account-name").textContent = session.person;
	part("passkeys").replaceChildren(...passkeys.map((p) => row(
		p.title || `Passkey ${p.passkey}`, `made ${when(p.created_at)}`, "Remove", async () => {
			await ask("DELETE", `/v1/passkeys/${p.passkey}`);
			await start();
		})));
	part("sessions").replaceChildren(...sessions.map((s) => row(
		s.current ? "This one" : `By ${s.title || `passkey ${s.passkey}`}`,
		`since ${when(s.created_at)}, until ${when(s.expires_at)} at most`, s.current ? "" : "End", async () => {
			await ask("DELETE", `/v1/sessions/${s.session}`);
			await start();
		})));
	show("account");
}

function deviceName() {
	const about = navigator.userAgentData;
	if (!about) return "";
	const brands = about.brands.map((b) => b.brand).filter((b) => !/not.?a/i.test(b));
	return [brands.pop(), about.platform].filter(Boolean).join(" on ");
}

// ---- the pages -----------------------------------------------------------------------------------

async function session() {
	try {
		return await ask("GET", "/v1/sessions/current");
	} catch (problem) {
		if (problem.status === 401) return null;
		throw problem;
	}
}

async function start() {
	const mine = await session();
	if (mine) await account(mine);
	else show("login");
}

async function startMaking() {
	const link = location.hash.slice(1);
	// What lets one in does not stay in the address or the history.
	history.replaceState(null, "", location.pathname);
	if (!link && !(await session())) {
		say("A passkey is made with a link: hoc passkey add prints one. Or log in first.", true);
		show("login");
		return;
	}
	part("make-title").value = deviceName();
	onClick(part("make-go"), () => make(link));
	show("make");
}

async function begin() {
	onClick(part("login-go"), login);
	onClick(part("logout"), async () => {
		await ask("DELETE", "/v1/sessions/current");
		await start();
		say("You are logged out.");
	});
	onClick(part("logout-all"), async () => {
		await ask("DELETE", `/v1/persons/${encodeURIComponent(part("account-name").textContent)}/sessions`);
		await start();
		say("You are logged out, here and everywhere.");
	});
	if (!window.PublicKeyCredential) throw new Error("this browser knows no passkeys, or the page was not opened by https and a name");
	await (location.pathname === "/passkey" ? startMaking() : start());
}

begin().catch((problem) => say(wordsOf(problem), true));
