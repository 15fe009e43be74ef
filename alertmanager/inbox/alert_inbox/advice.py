"""What to do about a message that a robot doesn't take, in both languages."""

from typing import Final

from alert_inbox.language import CHINESE, ENGLISH, Words

# By the names that robots.py gives to faults; the texts are English and Chinese. `{clock}` is in seconds.
_ADVICE: Final = {
    "signature": (
        "Copy the robot's secret into secret= again, and don't let two robots share a line.",
        "请将机器人的加签密钥重新复制到 secret=，并确认每个机器人单独一行。",
    ),
    "clock": (
        "This host's clock is {clock} s off, and the robot takes a signature for an hour: set the clock (NTP).",
        "本机时钟与机器人相差 {clock} 秒，而签名只在一小时内有效：请校准时钟（NTP）。",
    ),
    "keyword": (
        "The robot demands a keyword: write it into keyword= as the robot's page shows it.",
        "机器人设置了关键词：请按机器人页面的显示写入 keyword=。",
    ),
    "address": (
        "The robot doesn't know this address: copy it from the robot's page again, or make a new robot.",
        "机器人地址无效：请从机器人页面重新复制，或新建机器人。",
    ),
    "ip": (
        "The robot takes messages from listed addresses only: add this host's public address on the robot's page.",
        "机器人限制了来源 IP：请在机器人页面添加本机的公网地址。",
    ),
    "content": (
        "The robot refuses this message itself (too long, or a word it doesn't allow). The inbox's page shows it.",
        "机器人拒绝了消息内容（过长或含有敏感词）。消息可在收件箱页面查看。",
    ),
    "rate": (
        "Too many messages: another program may use this robot too. Notifications are sent again by themselves.",
        "发送过于频繁：可能有其他程序也在使用这个机器人。告警通知稍后会自动重发。",
    ),
    "server": (
        "The robot's side is busy, or a proxy answered in its place. Notifications are sent again by themselves.",
        "机器人服务端繁忙，或响应来自中间的代理。告警通知稍后会自动重发。",
    ),
    "network": (
        "Check that this host reaches the address: name, proxy, firewall. Notifications are sent again by themselves.",
        "请检查本机能否访问该地址：域名、代理、防火墙。告警通知稍后会自动重发。",
    ),
    "removed": (
        "Its line was taken out of the file before it was sent.",
        "发送之前，该行已从文件中删除。",
    ),
    "other": (
        "Look up the robot's words in the documents of its vendor; then run `make notify-test`.",
        "请在机器人厂商的文档中查找上述内容，然后运行 `make notify-test`。",
    ),
}  # fmt: skip


def advise(name: str, clock: int, words: Words) -> str:
    """Return what to do about a fault; empty if there is none."""
    if name not in _ADVICE:
        return ""
    english, chinese = _ADVICE[name]
    return {ENGLISH.tag: english, CHINESE.tag: chinese}[words.tag].format(clock=abs(clock))
