const MAX_CHARS = 2000;

/** What was said, for an error's detail: the request, and the line that came back if one did. */
export function exchangeOf(request: string, reply: Buffer | undefined): string {
  if (reply === undefined) return `sent: ${cut(redact(request))}\nreceived: nothing`;
  return `sent: ${cut(redact(request))}\nreceived: ${cut(reply.toString('utf8', 0, MAX_CHARS + 1))}`;
}

/** Arguments that may carry secrets into a guest. */
const SECRET = /"(password|input-data|buf-b64)":"(?:[^"\\]|\\.)*"/g;

function redact(request: string): string {
  // Cut first: the pattern must not run over megabytes of input data.
  const head = request.slice(0, MAX_CHARS * 2);
  const unterminated = /"(password|input-data|buf-b64)":"(?:[^"\\]|\\.)*\\?$/;
  return head.replace(SECRET, '"$1":"(hidden)"').replace(unterminated, '"$1":"(hidden)');
}

function cut(text: string): string {
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}...` : text.trimEnd();
}
