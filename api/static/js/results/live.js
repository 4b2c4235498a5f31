// Follow a job while it runs; nothing is asked while the page is hidden, and no more after its end.

/** told(job) at every change; returns a function that stops. */
export function follow(job, told) {
  let source = null;
  let ended = false;
  const stop = () => {
    source?.close();
    source = null;
  };
  const hear = (event) => {
    ended = event.type === "job.completed";
    if (ended) stop();
    told(JSON.parse(event.data), ended);
  };
  const start = () => {
    if (source || ended || document.hidden) return;
    source = new EventSource(`/v1/jobs/${job}/events`);
    for (const name of ["job.started", "job.progress", "job.completed"]) source.addEventListener(name, hear);
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  start();
  return () => {
    ended = true;
    stop();
  };
}
