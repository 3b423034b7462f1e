// The playground's own routes.

/** Asks the playground, with a body to do something; an answer that is no success is an error. */
async function ask(path, body) {
  const request = body && {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, request);
  const text = await response.text();
  if (response.ok) return JSON.parse(text);
  throw new Error(reason(text));
}

function reason(text) {
  try {
    return JSON.parse(text).error ?? text;
  } catch {
    return text;
  }
}

async function tokenOf(user, kind) {
  const query = new URLSearchParams({ user, kind });
  return (await ask(`/api/token?${query}`)).token;
}

const setup = await ask("/api/setup");

