const english = {
  title: "Dashboard viewer",
  dashboards: "Dashboards",
  about:
    "This is a viewer for Grafana's dashboard files, not Grafana: nothing can be edited here, and there is no list of alerts.",
  licences: "Licences",
  prometheus: "Prometheus",
  inbox: "Alert inbox",
  alertmanager: "Alertmanager",
  light: "Light",
  dark: "Dark",
  all: "All",
  everything: "all",
  away: (since: string) =>
    `Prometheus has not answered since ${since}. What is greyed is from then; it is asked again every few seconds.`,
  silent: "No answer from Prometheus yet.",
  noData: "No data",
  viewPanel: "View only this panel",
  back: "All panels",
  refused: "Prometheus refuses this query:",
  missing: (uid: string) => `There is no dashboard "${uid}".`,
  failed: (what: string) => `The viewer's server did not give what the page needs: ${what}. Reload the page.`,
  unknownKind: (type: string) => `The viewer has no drawing for the kind "${type}".`,
  none: "No dashboard files were found.",
  frozen: (from: string, to: string) => `Frozen from ${from} to ${to}. Nothing here changes any more.`,
  holds: (labels: string) => `This file holds the labels ${labels}: read it before you pass it on.`,
  run: (scenario: string, connections: number, time: string) =>
    `Load test: ${scenario}, ${connections} connections, ${time}`,
  demo: "The demo model only compares characters: these figures say nothing about the speed of GTE.",
  client: "Client (wrk)",
  server: "Server (Prometheus)",
  qps: "Requests per second",
  agrees: "agrees",
  disagrees: "DISAGREES",
};

const chinese: typeof english = {
  title: "仪表盘查看器",
  dashboards: "仪表盘",
  about: "这是 Grafana 仪表盘文件的查看器，不是 Grafana：不能编辑，也没有告警列表。",
  licences: "许可证",
  prometheus: "Prometheus",
  inbox: "告警收件箱",
  alertmanager: "Alertmanager",
  light: "浅色",
  dark: "深色",
  all: "全部",
  everything: "全部",
  away: (since) => `Prometheus 自 ${since} 起没有应答。灰色部分是当时的数据；页面每隔几秒会自动重试。`,
  silent: "尚未收到 Prometheus 的应答。",
  noData: "无数据",
  viewPanel: "只看此面板",
  back: "全部面板",
  refused: "Prometheus 拒绝了此查询：",
  missing: (uid) => `没有名为“${uid}”的仪表盘。`,
  failed: (what) => `查看器的服务端没有返回页面所需的数据：${what}。请刷新页面。`,
  unknownKind: (type) => `查看器不支持“${type}”类型的面板。`,
  none: "没有找到仪表盘文件。",
  frozen: (from, to) => `数据已冻结：${from} 至 ${to}，不再变化。`,
  holds: (labels) => `此文件包含标签 ${labels}：转发之前请先过目。`,
  run: (scenario, connections, time) => `压测：${scenario}，${connections} 个连接，${time}`,
  demo: "演示模型只比较字符：这些数字不代表 GTE 的速度。",
  client: "客户端（wrk）",
  server: "服务端（Prometheus）",
  qps: "每秒请求数",
  agrees: "一致",
  disagrees: "不一致",
};

export type Words = typeof english;

/** The words in the first of the reader's languages that there is; English when there is none. */
export function chooseWords(languages: readonly string[]): Words & { tag: string } {
  const known = languages.map((tag) => tag.split("-")[0].toLowerCase()).find((tag) => tag === "zh" || tag === "en");
  return known === "zh" ? { ...chinese, tag: "zh" } : { ...english, tag: "en" };
}

export const words = chooseWords(typeof navigator === "undefined" ? [] : navigator.languages);
