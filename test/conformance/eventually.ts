/** Asks again until the answer is yes, for ten seconds at most. */
export async function eventually(question: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await question())) {
    if (performance.now() > end) throw new Error(`never true: ${question}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
