"""The texts of the page in English and Chinese, and the choice between them."""

from dataclasses import dataclass

from werkzeug.datastructures import LanguageAccept


@dataclass(frozen=True)
class Words:
    """Every text of the page; `{…}` is filled in by the page or by its script."""

    tag: str
    """The language, as HTML and HTTP name it."""
    annotation_ending: str
    """The suffix that a rule gives to the name of an annotation in this language."""
    runbook_ending: str
    """What a runbook's file has between the alert's name and `.md` in this language."""
    dashboard_ending: str
    """What the uid of a dashboard has at its end in this language."""
    title: str
    subtitle: str
    all: str
    firing: str
    resolved: str
    show: str
    alertmanager: str
    stored: str
    times_in: str
    updated: str
    stale: str
    silent: str
    never_heard: str
    arrived: str
    clear: str
    received: str
    receiver: str
    group: str
    alerts_one: str
    alerts_many: str
    alerts_mixed: str
    truncated: str
    folded: str
    severity: str
    labels: str
    annotations: str
    figures: str
    started: str
    ended: str
    lasted: str
    still_firing: str
    source: str
    source_grafana: str
    runbook: str
    runbooks: str
    no_runbook: str
    no_runbooks: str
    runbook_untranslated: str
    dashboard: str
    dashboards: str
    silence: str
    older: str
    newest: str
    empty_title: str
    empty_text: str
    empty_wait: str
    nothing_matches: str
    no_name: str
    days: str
    hours: str
    minutes: str
    seconds: str
    now: str
    now_none: str
    now_no_match: str
    now_old: str
    now_unknown: str
    now_more: str
    history: str
    unconfirmed: str
    details: str
    any: str
    name: str
    task: str
    since: str
    until: str
    filter: str
    severities: dict[str, str]
    muted: dict[str, str]
    deliveries: dict[str, str]
    """By the state of a message to a chat."""


ENGLISH = Words(
    tag="en",
    annotation_ending="",
    runbook_ending="",
    dashboard_ending="",
    title="Alert inbox",
    subtitle="What fires now, and every notification that came.",
    all="All",
    firing="Firing",
    resolved="Resolved",
    show="Show",
    alertmanager="Alertmanager",
    stored="{count} stored; the newest {most} are kept.",
    times_in="Times in {zone}.",
    updated="Updated at {time}.",
    stale="The inbox has not answered since {time}. This page may be out of date.",
    silent="Monitoring has been silent since {time}. New alerts may not arrive: check Prometheus and Alertmanager.",
    never_heard="Monitoring has never been heard. Alerts may not arrive: check Prometheus and Alertmanager.",
    arrived="New notifications: {count}",
    clear="Show all",
    received="Received",
    receiver="Receiver",
    group="Group",
    alerts_one="1 alert",
    alerts_many="{count} alerts",
    alerts_mixed="{firing} firing, {resolved} resolved",
    truncated="{count} more alerts of this group are left out here; open Alertmanager to see them.",
    folded="{count} more alerts of this notification",
    severity="Severity",
    labels="Labels",
    annotations="Other annotations",
    figures="Values",
    started="Started",
    ended="Ended",
    lasted="lasted {duration}",
    still_firing="not yet",
    source="Expression in Prometheus",
    source_grafana="Rule in Grafana",
    runbook="Runbook",
    runbooks="Runbooks",
    no_runbook="There is no runbook named {name}. These are here:",
    no_runbooks="No runbook is here: ALERT_INBOX_RUNBOOKS names no folder that holds any.",
    runbook_untranslated="This runbook has not been translated into English.",
    dashboard="Dashboard",
    dashboards="Dashboards",
    silence="Silence",
    older="Older notifications",
    newest="Back to the newest",
    empty_title="No notification has arrived yet",
    empty_text="Either no alert fires, or Alertmanager is not connected. Send a test alert from the project's folder:",
    empty_wait="It appears here after about ten seconds, and again as resolved about five minutes later.",
    nothing_matches="No stored notification matches.",
    no_name="(alert without a name)",
    days="d",
    hours="h",
    minutes="min",
    seconds="s",
    now="Firing now",
    now_none="Nothing fires in Alertmanager.",
    now_no_match="Of the alerts that fire, {count}, none matches.",
    now_old="Alertmanager has not answered since {time}. This is what it said then:",
    now_unknown="Alertmanager has not answered since the inbox was started, so nobody knows what fires.",
    now_more="{count} more alerts fire; open Alertmanager to see them.",
    history="Notifications",
    unconfirmed="Over? Not confirmed: monitoring was silent",
    details="Details",
    any="any",
    name="Alert",
    task="Task",
    since="From",
    until="Until",
    filter="Filter",
    muted={"silenced": "silenced", "inhibited": "muted by another alert"},
    severities={"critical": "critical", "warning": "warning", "info": "info"},
    deliveries={"sent": "sent", "waiting": "not sent yet", "tried": "not sent; tried last", "refused": "refused"},
)

CHINESE = Words(
    tag="zh",
    annotation_ending="_zh",
    runbook_ending=".zh-CN",
    dashboard_ending="-zh",
    title="告警收件箱",
    subtitle="当前的告警，以及收到的每一条通知。",
    all="全部",
    firing="告警中",
    resolved="已恢复",
    show="显示",
    alertmanager="Alertmanager",
    stored="已保存 {count} 条通知，最多保留最新的 {most} 条。",
    times_in="时间按 {zone} 显示。",
    updated="更新于 {time}。",
    stale="自 {time} 起收件箱没有响应，页面内容可能已过时。",
    silent="自 {time} 起没有收到监控系统的心跳，新的告警可能无法送达：请检查 Prometheus 和 Alertmanager。",
    never_heard="从未收到监控系统的心跳，告警可能无法送达：请检查 Prometheus 和 Alertmanager。",
    arrived="新通知：{count} 条",
    clear="显示全部",
    received="收到于",
    receiver="接收方",
    group="分组",
    alerts_one="1 条告警",
    alerts_many="{count} 条告警",
    alerts_mixed="{firing} 条告警中，{resolved} 条已恢复",
    truncated="本组另有 {count} 条告警未列出，请到 Alertmanager 查看。",
    folded="本通知的其余 {count} 条告警",
    severity="级别",
    labels="标签",
    annotations="其他注解",
    figures="数值",
    started="开始",
    ended="结束",
    lasted="持续 {duration}",
    still_firing="尚未结束",
    source="在 Prometheus 中查看表达式",
    source_grafana="在 Grafana 中查看规则",
    runbook="处理手册",
    runbooks="处理手册",
    no_runbook="没有名为 {name} 的处理手册。现有手册：",
    no_runbooks="没有处理手册：请将 ALERT_INBOX_RUNBOOKS 设为存有手册的目录。",
    runbook_untranslated="这份处理手册尚无中文版。",
    dashboard="仪表盘",
    dashboards="仪表盘",
    silence="静默",
    older="更早的通知",
    newest="回到最新",
    empty_title="还没有收到任何通知",
    empty_text="可能没有告警触发，也可能 Alertmanager 尚未接入。可在项目目录下发送一条测试告警：",
    empty_wait="告警约十秒后出现在这里，约五分钟后显示为已恢复。",
    nothing_matches="没有符合条件的通知。",
    no_name="（未命名的告警）",
    days="天",
    hours="小时",
    minutes="分",
    seconds="秒",
    now="正在告警",
    now_none="Alertmanager 中当前没有告警。",
    now_no_match="当前有 {count} 条告警，均不符合筛选条件。",
    now_old="自 {time} 起 Alertmanager 没有响应，以下是当时的状态：",
    now_unknown="收件箱启动以来 Alertmanager 一直没有响应，无法获知当前的告警。",
    now_more="另有 {count} 条告警未列出，请到 Alertmanager 查看。",
    history="通知记录",
    unconfirmed="疑似恢复，未确认：当时监控失联",
    details="详情",
    any="不限",
    name="告警",
    task="任务",
    since="从",
    until="至",
    filter="筛选",
    muted={"silenced": "已静默", "inhibited": "被其他告警抑制"},
    severities={"critical": "严重", "warning": "警告", "info": "提示"},
    deliveries={"sent": "已发送", "waiting": "尚未发送", "tried": "未送达，最近一次尝试", "refused": "被拒绝"},
)

WORDS = (ENGLISH, CHINESE)
_LANGUAGES = {words.tag: words for words in WORDS}
ANNOTATION_ENDINGS = tuple(words.annotation_ending for words in WORDS)


def choose_words(accepted: LanguageAccept) -> Words:
    """Return the words that suit an Accept-Language header best; English when none does."""
    # Not best_match(): for `en-GB, zh` it takes Chinese, which is named exactly, before the English wanted.
    for tag, quality in accepted:
        words = _LANGUAGES.get(tag.split("-")[0].lower())
        if words and quality > 0:
            return words
    return ENGLISH
