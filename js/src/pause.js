/**
 * Let the page react: wait for the next task. Calls of onnxruntime in a page hold up everything else,
 * also between two of them, if nothing waits like this.
 */
export function pause() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(0);
  });
}
