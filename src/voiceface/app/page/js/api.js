// The server's API: fields in, JSON or a file out, errors as one line.

let token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
export let about = null;

export class ServerError extends Error {
  constructor(status, line) {
    super(line);
    this.status = status;
  }
}

export function setToken(value) {
  token = value.trim();
}

export async function loadAbout() {
  about = await getJson("/v1/about");
  return about;
}

export const getJson = async (address, signal) => (await ask(address, { signal })).json();
export const getBlob = async (address, signal) => (await ask(address, { signal })).blob();
export const remove = (address) => ask(address, { method: "DELETE", keepalive: true });

// Post fields (a file, a list of files or a value each); waits and asks again while the server is busy.
export async function post(address, fields, { signal, waiting = () => {} } = {}) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of [value].flat()) {
      if (one instanceof Blob) body.append(name, one, one.name ?? name);
      else if (one !== "" && one != null) body.append(name, one);
    }
  }
  checkSize(body);
  for (;;) {
    try {
      const answer = await ask(address, { method: "POST", body, signal, headers: { Accept: "application/json" } });
      return await answer.json();
    } catch (error) {
      if (error.status !== 429) throw error;
      waiting();
      await pause(3000, signal);
    }
  }
}

export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

async function ask(address, { headers = {}, ...options }) {
  if (token) headers = { ...headers, Authorization: `Bearer ${token}` };
  let answer;
  try {
    answer = await fetch(address, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "The server does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  let line = `The server answered ${answer.status}.`;
  try {
    line = sentence(await answer.json());
  } catch {
    // no JSON: a proxy between us and the server
  }
  throw new ServerError(answer.status, line);
}

// An error of the server in words for a person.
export function sentence({ what, fault, remedy }) {
  const advice = (remedy ?? "").replace(/,? or send force=true/, "");
  return `${what.replace(/^the /, "The ")}: ${fault}${advice ? `. To do: ${advice}.` : "."}`;
}

function checkSize(body) {
  const files = [...body.values()].filter((value) => value instanceof Blob);
  const megabytes = files.reduce((sum, file) => sum + file.size, 0) / 1e6;
  const limits = about?.limits;
  if (limits && megabytes > limits.upload_megabytes) {
    throw new ServerError(413, `These files have ${megabytes.toFixed(0)} MB; the server takes ${limits.upload_megabytes} MB at once.`);
  }
  if (limits && files.length > limits.files) {
    throw new ServerError(422, `These are ${files.length} files; the server takes ${limits.files} at once.`);
  }
}
