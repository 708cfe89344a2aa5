// The JavaScript SDK of CloudEvents as sender and reader.
//
// usage: node cloudevents.mjs send|read URL
import assert from 'node:assert/strict'
import { CloudEvent, HTTP, Mode, emitterFor } from 'cloudevents'

const [task, url] = process.argv.slice(2)
const OWN = 'javascript'
const TOPICS = ['javascript', 'python', 'rust']

// The events every peer sends, as each reader knows them; `data` is what the SDK gives back.
const events = {
  json: { datacontenttype: 'application/json', data: { amount: 12.5, items: ['a', 'b'], none: null } },
  text: { datacontenttype: 'text/plain', data: 'plain text' },
  empty: {},
}
const time = '2026-05-01T10:00:00.000Z'
const common = (name) => ({
  source: '/peers', type: 'peer.sent', subject: `subject-${name}`, time, dataschema: 'https://example.com/schema', tenant: 'blue',
})

async function check(name, body) {
  try {
    await body()
    console.log(`ok ${OWN} ${name}`)
  } catch (error) {
    console.log(`not ok ${OWN} ${name}: ${String(error.message).replaceAll('\n', ' ')}`)
  }
}

// The SDK's own transport cannot send an event without data; its messages can be sent by any.
const transport = (target) => async ({ headers, body }) => {
  const response = await fetch(target, { method: 'POST', headers, body })
  return { status: response.status, body: await response.text() }
}

async function send() {
  const target = `${url}/topics/${OWN}/events`
  for (const [mode, suffix] of [[Mode.BINARY, 'binary'], [Mode.STRUCTURED, 'structured']]) {
    const emit = emitterFor(transport(target), { mode })
    for (const [name, event] of Object.entries(events)) {
      await check(`sends ${name} ${suffix}`, async () => {
        const sent = new CloudEvent({ id: `${OWN}-${name}-${suffix}`, ...common(name), ...event })
        const { body } = await emit(sent)
        assert.equal(JSON.parse(body).duplicate, false)
        const again = await emit(sent)
        assert.equal(JSON.parse(again.body).duplicate, true)
      })
    }
  }
  await check('a batch of its own structured messages', async () => {
    const messages = Object.entries(events).map(([name, event]) =>
      HTTP.structured(new CloudEvent({ id: `${OWN}-${name}-batch`, ...common(name), ...event })).body)
    const headers = { 'Content-Type': 'application/cloudevents-batch+json' }
    const response = await fetch(target, { method: 'POST', headers, body: `[${messages}]` })
    assert.equal(response.status, 202)
  })
}

async function read() {
  for (const topic of TOPICS) {
    const text = await (await fetch(`${url}/topics/${topic}/events`)).text()
    const lines = text.split('\n').filter((line) => line)
    await check(`finds the events of ${topic}`, () => assert.ok(lines.length >= 6, `${lines.length} events`))
    for (const line of lines) {
      // The SDK reads the line as the message it is.
      const event = HTTP.toEvent({ headers: { 'content-type': 'application/cloudevents+json' }, body: line })
      await check(`reads ${event.id}`, () => {
        const name = event.id.split('-')[1]
        const { data, datacontenttype } = events[name]
        assert.deepEqual(event.data, data)
        // Some SDKs state a content type for no data at all, and it is kept.
        if (data !== undefined) assert.equal(event.datacontenttype, datacontenttype)
        for (const [attribute, value] of Object.entries(common(name))) {
          const seen = attribute === 'time' ? new Date(event.time).toISOString() : event[attribute]
          assert.equal(seen, value, attribute)
        }
      })
    }
    // A batch is a message of its own kind.
    await check(`reads ${topic} as one batch`, () => {
      const headers = { 'content-type': 'application/cloudevents-batch+json' }
      const batch = HTTP.toEvent({ headers, body: `[${lines}]` })
      assert.equal(batch.length, lines.length)
    })
  }
}

await { send, read }[task]()
