import { PrometheusAway } from "../core/prometheus.ts";

/**
 * Runs a command line: prints its usage where that is asked for or an argument is wrong.
 *
 * @param main returns the exit status; 3 stands for a Prometheus that does not answer, 2 for any other error
 */
export async function runCommand(usage: string, main: () => Promise<number>): Promise<void> {
  if (process.argv.includes("--help")) {
    console.log(usage);
    return;
  }
  try {
    process.exitCode = await main();
  } catch (error) {
    const away = error instanceof PrometheusAway;
    console.error(away ? error.message : `${(error as Error).message}\n\n${usage}`);
    process.exitCode = away ? 3 : 2;
  }
}
