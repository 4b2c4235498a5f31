// The camera: a live picture and a still of its middle; where browsers have none, the phone's own camera by a file field.

const SIDE = 560;

/** Why the camera cannot be used, in words. */
export class NoCamera extends Error {}

const WHY = {
  NotAllowedError: "The camera is not allowed here. Allow it beside the address, or choose an image.",
  NotFoundError: "No camera was found. Choose an image instead.",
  NotReadableError: "Another program is using the camera. Close it and try again.",
};

/** Whether this page may ask for the camera at all: on https and localhost. */
export const mayAsk = () => Boolean(navigator.mediaDevices?.getUserMedia);

/** Show the live picture in a video. Throws NoCamera. */
export async function open(video) {
  try {
    const square = { width: { ideal: 1280 }, height: { ideal: 1280 }, facingMode: "environment" };
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: square, audio: false });
    await video.play();
  } catch (error) {
    throw new NoCamera(WHY[error.name] ?? "The camera cannot be used. Choose an image instead.");
  }
}

/** Let the camera go; its light goes out. */
export function close(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/** The middle of the live picture as a PNG. */
export function still(video) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const side = Math.min(video.videoWidth, video.videoHeight);
  const [left, top] = [(video.videoWidth - side) / 2, (video.videoHeight - side) / 2];
  canvas.getContext("2d").drawImage(video, left, top, side, side, 0, 0, SIDE, SIDE);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
