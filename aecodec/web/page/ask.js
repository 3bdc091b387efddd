// Requests to the server.

/** The address of a picture or a folder under one of the server's paths. */
export const at = (path, name) => `${path}?name=${encodeURIComponent(name)}`;

/** Fetches; an answer that is none, or that says what is wrong, is an Error. */
export async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer; is aecodec serve still running?");
  }
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}
