# SPDX-License-Identifier: Apache-2.0
"""What each hospital runs."""

from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from digits_pytorch.task import Net, load_data
from digits_pytorch.task import test as test_net
from digits_pytorch.task import train as train_net
from quorate_flower import quorate_mod

app = ClientApp(mods=[quorate_mod])


def _begun(message: Message, context: Context) -> tuple:
    node, run = context.node_config, context.run_config
    net = Net()
    net.load_state_dict(message.content["arrays"].to_torch_state_dict())
    return net, load_data(node["partition-id"], node["num-partitions"], run["batch-size"])


@app.train()
def train(message: Message, context: Context) -> Message:
    net, (data, _) = _begun(message, context)
    run = context.run_config
    loss = train_net(net, data, run["local-epochs"], run["learning-rate"])
    metrics = MetricRecord({"train_loss": loss, "num-examples": len(data.dataset)})
    content = RecordDict({"arrays": ArrayRecord(net.state_dict()), "metrics": metrics})
    return Message(content, reply_to=message)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    net, (_, data) = _begun(message, context)
    loss, accuracy = test_net(net, data)
    found = {"eval_loss": loss, "eval_acc": accuracy, "num-examples": len(data.dataset)}
    return Message(RecordDict({"metrics": MetricRecord(found)}), reply_to=message)
