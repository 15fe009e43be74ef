// The page's words in its language, and the Chinese names of known ids in answers.
const CHINESE = document.documentElement.lang.startsWith("zh");

const DATA = JSON.parse(document.getElementById("page-data").textContent);
// Patterns of the API's messages, each with its Chinese; none on an English page.
const MESSAGES = DATA.messages.map(([pattern, chinese]) => [new RegExp(`^(?:${pattern})$`, "su"), chinese]);

const NAMES = {
  positive: "正面",
  negative: "负面",
  neutral: "中性",
  sports: "体育",
  finance: "财经",
  technology: "科技",
  entertainment: "娱乐",
  politics: "政治",
  education: "教育",
  health: "健康",
  travel: "旅游",
  food: "美食",
  automobile: "汽车",
  real_estate: "房产",
  military: "军事",
  person: "人物",
  place: "地点",
  organization: "机构",
  event: "事件",
  product: "产品",
  work: "作品",
  time: "时间",
  quantity: "数量",
  born_in: "出生于",
  works_for: "任职于",
  founder_of: "创办",
  leader_of: "领导",
  spouse_of: "配偶",
  parent_of: "父母",
  studied_at: "就读于",
  located_in: "位于",
  acquired: "收购",
  partner_of: "合作",
  author_of: "作者",
  competition: "比赛",
  meeting: "会议",
  visit: "访问",
  acquisition: "收购",
  cooperation: "合作",
  product_launch: "产品发布",
  appointment: "任命",
  departure: "离职",
  disaster: "灾害",
  accident: "事故",
  death: "去世",
  marriage: "结婚",
  award: "获奖",
  performance: "演出",
  subject: "主体",
  object: "客体",
  trigger: "触发词",
  tokenize: "分词",
  queue: "排队",
  inference: "推理",
  postprocess: "后处理",
};

/** The text in the page's language. */
export function say(english, chinese) {
  return CHINESE ? chinese : english;
}

/** The Chinese name of an id on a Chinese page, "" if it has none. */
export function chineseName(id) {
  return CHINESE && Object.prototype.hasOwnProperty.call(NAMES, id) ? NAMES[id] : "";
}

/**
 * A message of the API in the page's language. On a Chinese page one that has no translation follows what its code says,
 * marked as the original.
 */
export function translated(message, code = "") {
  const text = inPageLanguage(message);
  return CHINESE && message && text === message ? `${inPageLanguage(code)}（原文：${message}）` : text;
}

function inPageLanguage(message) {
  for (const [pattern, chinese] of MESSAGES) {
    const found = pattern.exec(message);
    if (found) return chinese.replace(/\$(\d)/g, (_, group) => inPageLanguage(found[group] || ""));
  }
  return message;
}
