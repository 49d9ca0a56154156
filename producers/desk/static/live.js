// Keep the counts of a delivery up to date by server-sent events; without this script the page loads itself again.

const RETRY_MS = 10_000

const counts = document.getElementById("so-lieu")
const lost = document.getElementById("mat-ket-noi")

function watch() {
  const events = new EventSource(counts.dataset.stream)
  events.onopen = () => { lost.hidden = true }
  events.onmessage = event => { counts.innerHTML = event.data }
  events.addEventListener("ended", () => {
    events.close()
    location.reload() // the session has ended: the page says so
  })
  events.onerror = () => {
    lost.hidden = false
    if (events.readyState === EventSource.CLOSED) setTimeout(watch, RETRY_MS) // refused, for now
  }
  addEventListener("pagehide", () => events.close(), { once: true })
}

watch()
