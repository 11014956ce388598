/** deploy/: what routers and the kubelet are told fits what the server offers. Full schemas: see deploy/README.md. */

import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert";
import { parse, parseAllDocuments } from "yaml";
import { ROUTES } from "../../src/server/routes.ts";

const read = (path: string) => Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
const PATHS = new Set<string>(Object.values(ROUTES).map(({ path }) => path));

interface Container {
  args: string[];
  ports: { name: string; containerPort: number }[];
  securityContext: { readOnlyRootFilesystem: boolean; allowPrivilegeEscalation: boolean };
  lifecycle: { preStop: { sleep: { seconds: number } } };
  startupProbe: Probe;
  readinessProbe: Probe;
  livenessProbe: Probe;
}
interface Probe {
  httpGet: { path: string };
  periodSeconds: number;
  failureThreshold: number;
}
interface Manifest {
  kind: string;
  apiVersion: string;
  // deno-lint-ignore no-explicit-any
  spec: any;
  data: Record<string, string>;
}

function manifests(file: string): Map<string, Manifest> {
  const documents = parseAllDocuments(read(`deploy/kubernetes/${file}`), { strict: true });
  for (const { errors } of documents) same(errors, []);
  return new Map(documents.map((d) => d.toJS() as Manifest).map((m) => [m.kind, m]));
}

const numberOf = (args: string[], flag: string) =>
  Number(args.find((arg) => arg.startsWith(`--${flag}=`))?.split("=")[1]);

const VALLEY = manifests("valley.yaml");
const POD = VALLEY.get("Deployment")?.spec.template;
const SERVER: Container = POD.spec.containers[0];

Deno.test("valley.yaml: the probes' paths are routes, and it is given the time to drain", () => {
  const probes = [SERVER.startupProbe, SERVER.readinessProbe, SERVER.livenessProbe];
  same(probes.map(({ httpGet }) => httpGet.path), ["/livez", "/readyz", "/livez"]);
  for (const { httpGet } of probes) ok(PATHS.has(httpGet.path), httpGet.path);
  const grace = numberOf(SERVER.args, "drain-grace");
  const drain = SERVER.lifecycle.preStop.sleep.seconds + grace + numberOf(SERVER.args, "drain-timeout");
  ok(POD.spec.terminationGracePeriodSeconds > drain, `${drain} s to drain`);
  const { periodSeconds, failureThreshold } = SERVER.readinessProbe;
  ok(grace >= 2 * periodSeconds * failureThreshold, "taken out before new work is refused");
});

Deno.test("valley.yaml: every flag is one of serve, and the root is read-only, not root's", () => {
  const flags = read("src/commands/options.ts");
  for (const arg of SERVER.args.slice(1)) {
    const name = arg.slice(2).split("=")[0];
    ok(flags.includes(`"${name}": {`) || flags.includes(`\n  ${name}: {`), `no flag --${name}`);
  }
  equal(POD.spec.securityContext.runAsNonRoot, true);
  ok(read("Dockerfile").includes(`USER ${POD.spec.securityContext.runAsUser}`));
  equal(SERVER.securityContext.readOnlyRootFilesystem, true);
  equal(SERVER.securityContext.allowPrivilegeEscalation, false);
});

Deno.test("valley.yaml: service, budget and pool select the pods, at their port", () => {
  const labels = POD.metadata.labels;
  equal(labels["llm-d.ai/engine-type"], "valley");
  const pool = manifests("endpoint-picker.yaml").get("InferencePool");
  equal(pool?.apiVersion, "inference.networking.k8s.io/v1");
  for (
    const selector of [
      VALLEY.get("Service")?.spec.selector,
      VALLEY.get("PodDisruptionBudget")?.spec.selector.matchLabels,
      pool?.spec.selector.matchLabels,
    ]
  ) {
    ok(Object.keys(selector).length > 0);
    for (const [key, value] of Object.entries(selector)) equal(labels[key], value);
  }
  equal(pool?.spec.targetPorts[0].number, numberOf(SERVER.args, "port"));
  equal(SERVER.ports[0].containerPort, numberOf(SERVER.args, "port"));
  equal(VALLEY.get("Deployment")?.spec.strategy.rollingUpdate.maxUnavailable, 0);
});

Deno.test("endpoint-picker.yaml: the metrics that it reads are the server's, each plugin that it names is there", () => {
  const config = parse(manifests("endpoint-picker.yaml").get("ConfigMap")?.data["config.yaml"] ?? "");
  const types: string[] = config.plugins.map(({ type }: { type: string }) => type);
  const extractor = config.plugins.find(({ type }: { type: string }) => type === "core-metrics-extractor");
  const engine = extractor.parameters.engineConfigs[0];
  equal(extractor.parameters.defaultEngine, engine.name);
  const metrics = read("src/server/metrics.ts");
  for (const key of ["queuedRequestsSpec", "runningRequestsSpec", "kvUsageSpec", "cacheInfoSpec"]) {
    ok(metrics.includes(`"${engine[key]}"`), `${key}: ${engine[key]}`);
  }
  for (const { pluginRef } of config.schedulingProfiles[0].plugins) ok(types.includes(pluginRef), pluginRef);
});

Deno.test("smg: script and manifest give the router the same policy, which spills from a full server; Envoy hashes with bounded load", () => {
  const script = read("deploy/smg/start.sh");
  const args: string[] = manifests("smg.yaml").get("Deployment")?.spec.template.spec.containers[0].args;
  for (const flag of ["policy", "balance-abs-threshold", "health-check-endpoint", "load-monitor-interval"]) {
    const value = args.find((arg) => arg.startsWith(`--${flag}=`))?.split("=")[1];
    ok(value !== undefined && script.includes(`--${flag} ${value}`), flag);
  }
  // A request too many for one of two servers must find the other: smg compares a server with the pool's mean.
  const places = Number(/maxSequences: (\d+)/.exec(read("src/families/registry.ts"))?.[1]);
  const spill = Number(/--balance-abs-threshold (\S+)/.exec(script)?.[1]);
  ok(
    spill < places - places / 2,
    `a server with ${places} requests beside an idle one takes the next one too`,
  );
  const [cluster] = parse(read("deploy/envoy/envoy.yaml")).static_resources.clusters;
  equal(cluster.lb_policy, "RING_HASH");
  equal(cluster.common_lb_config.consistent_hashing_lb_config.hash_balance_factor, 150);
  ok(PATHS.has(cluster.health_checks[0].http_health_check.path));
});
