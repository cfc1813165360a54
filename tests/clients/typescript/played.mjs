// What every model that is played has in common: a server on loopback that reads whole requests in JSON.

import { createServer } from "node:http";

export const json = (response, object) => response.setHeader("content-type", "application/json").end(JSON.stringify(object));

/** Starts it; `answer` gets each request's method, path and body, and the response to write. */
export async function play(answer) {
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = JSON.parse(Buffer.concat(chunks).toString() || "{}");
    answer({ method: request.method, path: request.url.split("?")[0], body }, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}
